//! Rules of the state service: values, schemas, operations, validators, filters, differences.

//! Backend URLs to ports: the only crate that names adapters.

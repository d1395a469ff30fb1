//! Schemas of types.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::document::{
    Declaration, Field, FieldPath, Map, Merge, Validator, Value, ValueSchema,
};
use gamemesh_domain::{Code, Error, Result};
use pb::validator::Kind as Rule;
use pb::value_schema::Kind;
use prost::Message as _;

use super::value::{from_value, to_value};

/// Name of the field in which a stored type keeps its message.
const MESSAGE: &str = "message";

/// The state of the aggregate that holds a type: its message, in base64.
pub(crate) fn state_from_declaration(declaration: &Declaration) -> Value {
    let message = STANDARD.encode(to_schema(declaration).encode_to_vec());
    Map::from([(MESSAGE, Value::from(message))]).into()
}

pub(crate) fn declaration_from_state(state: &Value) -> Result<Declaration> {
    let damaged = || Error::new(Code::DataCorrupted, "a stored type is damaged");
    let text = state.child(MESSAGE).and_then(Value::as_text).ok_or_else(damaged)?;
    let bytes = STANDARD.decode(text).map_err(|_| damaged())?;
    from_schema(pb::TypeSchema::decode(&*bytes).map_err(|_| damaged())?)
}

pub(crate) fn to_schema(declaration: &Declaration) -> pb::TypeSchema {
    pb::TypeSchema {
        r#type: declaration.type_name.to_string(),
        description: declaration.description.clone(),
        fields: declaration.fields.iter().map(to_field).collect(),
        open: declaration.open,
        validators: declaration.validators.iter().map(to_validator).collect(),
        builtin: declaration.builtin,
    }
}

/// A user's declaration; it never counts as one that ships.
pub(crate) fn from_schema(schema: pb::TypeSchema) -> Result<Declaration> {
    let numbered = |name, at| format!("schema.{name}[{at}]");
    let fields = schema.fields.into_iter().enumerate();
    let validators = schema.validators.into_iter().enumerate();
    Ok(Declaration {
        type_name: schema.r#type.parse()?,
        description: schema.description,
        fields: fields
            .map(|(at, field)| from_field(&numbered("fields", at), field))
            .collect::<Result<_>>()?,
        open: schema.open,
        validators: validators
            .map(|(at, validator)| from_validator(&numbered("validators", at), validator))
            .collect::<Result<_>>()?,
        builtin: false,
    })
}

fn to_field(field: &Field) -> pb::FieldSchema {
    pb::FieldSchema {
        path: field.path.to_string(),
        description: field.description.clone(),
        value: Some(to_value_schema(&field.value)),
        required: field.required,
        default: field.default.as_ref().map(to_value),
        merge: to_merge(field.merge).into(),
    }
}

fn from_field(at: &str, field: pb::FieldSchema) -> Result<Field> {
    let merge = from_merge(at, field.merge)?;
    let default = field.default.map(|value| from_value(&format!("{at}.default"), value));
    Ok(Field {
        path: path(at, &field.path)?,
        description: field.description,
        value: from_value_schema(at, field.value.unwrap_or_default())?,
        required: field.required,
        default: default.transpose()?,
        merge,
    })
}

fn to_value_schema(schema: &ValueSchema) -> pb::ValueSchema {
    let of = |of: &Option<Box<ValueSchema>>| of.as_ref().map(|of| Box::new(to_value_schema(of)));
    let length = |length: &Option<u32>| length.map_or(0, |length| length as i32);
    let kind = match schema {
        ValueSchema::Bool => Kind::Bool(pb::BoolSchema {}),
        ValueSchema::Int { min, max } => Kind::Int(pb::IntSchema { min: *min, max: *max }),
        ValueSchema::Float { min, max } => Kind::Float(pb::FloatSchema { min: *min, max: *max }),
        ValueSchema::Text { bytes_max, one_of } => {
            Kind::Text(pb::TextSchema { bytes_max: length(bytes_max), one_of: one_of.clone() })
        }
        ValueSchema::List { of: items, length_max } => {
            Kind::List(Box::new(pb::ListSchema { of: of(items), length_max: length(length_max) }))
        }
        ValueSchema::Map { of: values, length_max } => {
            Kind::Map(Box::new(pb::MapSchema { of: of(values), length_max: length(length_max) }))
        }
        ValueSchema::Any => Kind::Any(pb::AnySchema {}),
        ValueSchema::Timestamp => Kind::Timestamp(pb::TimestampSchema {}),
    };
    pb::ValueSchema { kind: Some(kind) }
}

fn from_value_schema(at: &str, schema: pb::ValueSchema) -> Result<ValueSchema> {
    let length = |length: i32| match u32::try_from(length) {
        Ok(0) => Ok(None),
        Ok(length) => Ok(Some(length)),
        Err(_) => Err(Error::invalid(format!("{at}.value"), "a length is 0 or above")),
    };
    let of = |of: Option<Box<pb::ValueSchema>>| {
        of.map(|of| from_value_schema(at, *of).map(Box::new)).transpose()
    };
    Ok(match schema.kind {
        None => {
            return Err(Error::invalid(
                format!("{at}.value"),
                "accepts one of bool, int, float, text, list, map, any, timestamp",
            ));
        }
        Some(Kind::Bool(_)) => ValueSchema::Bool,
        Some(Kind::Int(int)) => ValueSchema::Int { min: int.min, max: int.max },
        Some(Kind::Float(float)) => ValueSchema::Float { min: float.min, max: float.max },
        Some(Kind::Text(text)) => {
            ValueSchema::Text { bytes_max: length(text.bytes_max)?, one_of: text.one_of }
        }
        Some(Kind::List(list)) => {
            ValueSchema::List { of: of(list.of)?, length_max: length(list.length_max)? }
        }
        Some(Kind::Map(map)) => {
            ValueSchema::Map { of: of(map.of)?, length_max: length(map.length_max)? }
        }
        Some(Kind::Any(_)) => ValueSchema::Any,
        Some(Kind::Timestamp(_)) => ValueSchema::Timestamp,
    })
}

fn to_merge(merge: Merge) -> pb::Merge {
    match merge {
        Merge::LastWriterWins => pb::Merge::LastWriterWins,
        Merge::Counter => pb::Merge::Counter,
        Merge::BoundedCounter => pb::Merge::BoundedCounter,
        Merge::Maximum => pb::Merge::Maximum,
        Merge::Minimum => pb::Merge::Minimum,
        Merge::AddWinsSet => pb::Merge::AddWinsSet,
        Merge::RemoveWinsSet => pb::Merge::RemoveWinsSet,
        Merge::Map => pb::Merge::Map,
        Merge::HomeOnly => pb::Merge::HomeOnly,
        Merge::Owned => pb::Merge::Owned,
    }
}

fn from_merge(at: &str, merge: i32) -> Result<Merge> {
    let unknown = || Error::invalid(format!("{at}.merge"), "accepts a value of Merge");
    Ok(match pb::Merge::try_from(merge).map_err(|_| unknown())? {
        pb::Merge::Unspecified | pb::Merge::LastWriterWins => Merge::LastWriterWins,
        pb::Merge::Counter => Merge::Counter,
        pb::Merge::BoundedCounter => Merge::BoundedCounter,
        pb::Merge::Maximum => Merge::Maximum,
        pb::Merge::Minimum => Merge::Minimum,
        pb::Merge::AddWinsSet => Merge::AddWinsSet,
        pb::Merge::RemoveWinsSet => Merge::RemoveWinsSet,
        pb::Merge::Map => Merge::Map,
        pb::Merge::HomeOnly => Merge::HomeOnly,
        pb::Merge::Owned => Merge::Owned,
    })
}

fn to_validator(validator: &Validator) -> pb::Validator {
    let field = |path: &FieldPath| pb::FieldValidator { path: path.to_string() };
    let texts = |paths: &[FieldPath]| paths.iter().map(ToString::to_string).collect();
    let kind = match validator {
        Validator::Range { path, min, max } => {
            Rule::Range(pb::RangeValidator { path: path.to_string(), min: *min, max: *max })
        }
        Validator::RateOfChange { path, per_second_max, burst, increase_only } => {
            Rule::RateOfChange(pb::RateOfChangeValidator {
                path: path.to_string(),
                per_second_max: *per_second_max,
                burst: *burst,
                increase_only: *increase_only,
            })
        }
        Validator::Conserved { quantity, paths } => Rule::Conserved(pb::ConservedValidator {
            paths: texts(paths),
            quantity: quantity.clone(),
        }),
        Validator::PositionSpeed { paths, units_per_second_max, tolerance_units } => {
            Rule::PositionSpeed(pb::PositionSpeedValidator {
                paths: texts(paths),
                units_per_second_max: *units_per_second_max,
                tolerance_units: *tolerance_units,
            })
        }
        Validator::Immutable { path } => Rule::Immutable(field(path)),
        Validator::Monotonic { path } => Rule::Monotonic(field(path)),
        Validator::Transition { path, allowed } => Rule::Transition(pb::TransitionValidator {
            path: path.to_string(),
            allowed: (allowed.iter())
                .map(|(from, to)| pb::Transition { from: from.clone(), to: to.clone() })
                .collect(),
        }),
    };
    pb::Validator { kind: Some(kind) }
}

fn from_validator(at: &str, validator: pb::Validator) -> Result<Validator> {
    let paths = |paths: Vec<String>| paths.iter().map(|text| path(at, text)).collect::<Result<_>>();
    let Some(kind) = validator.kind else {
        return Err(Error::invalid(
            at,
            "accepts one of range, rateOfChange, conserved, positionSpeed, immutable, monotonic, \
             transition",
        ));
    };
    Ok(match kind {
        Rule::Range(rule) => {
            Validator::Range { path: path(at, &rule.path)?, min: rule.min, max: rule.max }
        }
        Rule::RateOfChange(rule) => Validator::RateOfChange {
            path: path(at, &rule.path)?,
            per_second_max: rule.per_second_max,
            burst: rule.burst,
            increase_only: rule.increase_only,
        },
        Rule::Conserved(rule) => {
            Validator::Conserved { quantity: rule.quantity, paths: paths(rule.paths)? }
        }
        Rule::PositionSpeed(rule) => Validator::PositionSpeed {
            paths: paths(rule.paths)?,
            units_per_second_max: rule.units_per_second_max,
            tolerance_units: rule.tolerance_units,
        },
        Rule::Immutable(rule) => Validator::Immutable { path: path(at, &rule.path)? },
        Rule::Monotonic(rule) => Validator::Monotonic { path: path(at, &rule.path)? },
        Rule::Transition(rule) => Validator::Transition {
            path: path(at, &rule.path)?,
            allowed: rule.allowed.into_iter().map(|step| (step.from, step.to)).collect(),
        },
    })
}

fn path(at: &str, text: &str) -> Result<FieldPath> {
    text.parse().map_err(|error: Error| Error::invalid(format!("{at}.path"), error.message))
}

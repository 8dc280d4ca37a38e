//! serde's errors in words for whoever wrote the value. The value of a secret is never in them.

use figment::error::{Actual, Error, Kind as ErrorKind};

use super::layer::{KeyPath, dotted};
use super::registry::Registered;
use super::shape::{Kind, Shape};

/// The key that an error of a section is about, and what is wrong with it.
pub(super) fn of(section: &Registered, error: &Error) -> (KeyPath, String) {
    let mut path = vec![section.name.to_owned()];
    path.extend(error.path.iter().cloned());
    let shape = deepest(&section.shape, &error.path);
    let secret = shape.conceals();
    let message = match &error.kind {
        ErrorKind::MissingField(field) => {
            let table = key(&path);
            path.push(field.to_string());
            format!("is missing: [{table}] cannot do without it")
        }
        ErrorKind::InvalidType(actual, _) if matches!(shape.kind, Kind::Choice(_)) => {
            not_a_choice(shape, actual)
        }
        ErrorKind::InvalidType(actual, wanted) | ErrorKind::InvalidValue(actual, wanted) => {
            format!("must be {}, not {}", in_words(wanted), found(actual, secret))
        }
        ErrorKind::UnknownVariant(variant, _) => not_a_choice(shape, &Actual::Str(variant.clone())),
        ErrorKind::UnknownField(..) => "is not a setting".to_owned(),
        _ if secret => "is not valid".to_owned(),
        other => format!("is not valid: {other}"),
    };
    (path, message)
}

pub(super) fn not_a_choice(shape: &Shape, actual: &Actual) -> String {
    let choices = match &shape.kind {
        Kind::Choice(variants) => variants.join(", "),
        _ => String::new(),
    };
    format!("must be one of {choices}, not {}", found(actual, shape.conceals()))
}

/// The key in TOML's way, and the position in a list as `[0]`.
pub(super) fn key(path: &[String]) -> String {
    let mut key = String::new();
    for (at, part) in path.iter().enumerate() {
        if at > 0 && part.parse::<usize>().is_ok() {
            key.push_str(&format!("[{part}]"));
        } else {
            if at > 0 {
                key.push('.');
            }
            key.push_str(&dotted(std::slice::from_ref(part)));
        }
    }
    key
}

fn deepest<'a>(shape: &'a Shape, path: &[String]) -> &'a Shape {
    let mut shape = shape;
    for part in path {
        shape = match (&shape.kind, shape.child(part)) {
            // What is below a secret is one, too, whether or not its shape says so.
            _ if shape.secret => return shape,
            (_, Some(child)) => child,
            (Kind::List(item), None) => item,
            _ => return shape,
        };
    }
    shape
}

/// What a visitor says that it expects, for people.
fn in_words(wanted: &str) -> String {
    let range = |from: i128, to: i128| format!("a whole number from {from} to {to}");
    match wanted {
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "u64" | "u128" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" => range(i8::MIN.into(), i8::MAX.into()),
        "i16" => range(i16::MIN.into(), i16::MAX.into()),
        "i32" => range(i32::MIN.into(), i32::MAX.into()),
        "i64" | "i128" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "a text".to_owned(),
        "a character" => "a single letter".to_owned(),
        "a duration" => "a duration such as \"30s\" or \"1m 30s\"".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        _ if wanted.starts_with("struct ") => "a table".to_owned(),
        // A newtype, as `Secret`, around a text in all that is written here.
        _ if wanted.starts_with("tuple struct ") => "a single value".to_owned(),
        _ => wanted.to_owned(),
    }
}

fn found(actual: &Actual, secret: bool) -> String {
    match actual {
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        Actual::Bool(_) | Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) | Actual::Str(_)
            if secret =>
        {
            match actual {
                Actual::Bool(_) => "a truth value (not shown)".to_owned(),
                Actual::Str(_) => "the text that is there (not shown)".to_owned(),
                _ => "a number (not shown)".to_owned(),
            }
        }
        Actual::Bool(truth) => format!("the truth value {truth}"),
        Actual::Unsigned(number) => format!("the number {number}"),
        Actual::Signed(number) => format!("the number {number}"),
        Actual::Float(number) => format!("the number {number}"),
        Actual::Str(text) if text.chars().count() > 60 => {
            format!("the text {:?}", text.chars().take(60).chain("…".chars()).collect::<String>())
        }
        Actual::Str(text) => format!("the text {text:?}"),
        _ => "a value of another kind".to_owned(),
    }
}

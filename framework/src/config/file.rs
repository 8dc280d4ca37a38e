//! TOML files, with the line of every key.

use std::path::Path;

use figment::value::{Dict, Tag, Value};
use toml_edit::{Document, Item, TableLike};

use super::layer::{KeyPath, Layer};
use super::registry::Registry;
use super::{Origin, Problem};
use crate::redact::MASK;

/// As much of a line is shown.
const LONGEST: usize = 120;

/// Reads a file; `None` when there is none. The sections that are known tell which of its lines may be shown.
pub(super) fn read(path: &Path, known: &Registry) -> Result<Option<Layer>, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path.display().to_string(), known, |line| Origin::File {
            path: path.to_owned(),
            line: Some(line),
        })
        .map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::new(
            Origin::File { path: path.to_owned(), line: None },
            "",
            format!("cannot be read: {error}"),
        )),
    }
}

/// `origin` makes a line, from 1, into the place that is shown for it.
pub(super) fn parse(
    text: &str,
    name: String,
    known: &Registry,
    origin: impl Fn(usize) -> Origin,
) -> Result<Layer, Problem> {
    let document = Document::parse(text).map_err(|error| {
        let (line, column) = error.span().map_or((1, 1), |span| place(text, span.start));
        // Only the message: the error's own Display prints the line, and a secret may stand in it.
        let message = error.message().trim().replace('\n', ", ");
        let shown = shown(text, line, known);
        let message = format!("is not TOML at column {column}: {message}; the line is `{shown}`");
        Problem::new(origin(line), "", message)
    })?;
    let mut layer = Layer::new(name);
    let locate =
        |span: Option<std::ops::Range<usize>>| origin(span.map_or(1, |span| place(text, span.start).0));
    layer.values = table(document.as_table(), &mut Vec::new(), &mut layer, &locate);
    Ok(layer)
}

/// A value alone, as it stands right of the `=`.
pub(super) fn value(text: &str) -> Option<Value> {
    let document = Document::parse(format!("value = {text}")).ok()?;
    (document.as_table().len() == 1).then(|| plain(document.get("value")?)).flatten()
}

fn table(
    from: &dyn TableLike,
    path: &mut KeyPath,
    layer: &mut Layer,
    locate: &dyn Fn(Option<std::ops::Range<usize>>) -> Origin,
) -> Dict {
    let mut values = Dict::new();
    for (name, item) in from.iter() {
        path.push(name.to_owned());
        layer.locate(path, locate(from.get_key_value(name).and_then(|(key, _)| key.span())));
        let value = match item.as_table_like() {
            Some(below) => Some(Value::Dict(Tag::Default, table(below, path, layer, locate))),
            None => plain(item),
        };
        values.extend(value.map(|value| (name.to_owned(), value)));
        path.pop();
    }
    values
}

fn plain(item: &Item) -> Option<Value> {
    if let Some(tables) = item.as_array_of_tables() {
        return Some(tables.iter().map(|table| dict(table)).collect::<Vec<Value>>().into());
    }
    if let Some(table) = item.as_table_like() {
        return Some(dict(table));
    }
    item.as_value().map(scalar)
}

fn dict(table: &dyn TableLike) -> Value {
    let values = table.iter().filter_map(|(key, item)| Some((key.to_owned(), plain(item)?)));
    Value::Dict(Tag::Default, values.collect())
}

fn scalar(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(truth) => Value::from(*truth.value()),
        toml_edit::Value::Datetime(time) => Value::from(time.value().to_string()),
        toml_edit::Value::Array(items) => items.iter().map(scalar).collect::<Vec<Value>>().into(),
        toml_edit::Value::InlineTable(table) => dict(table),
    }
}

/// A line, from 1, as far as it may be shown: a value only of a setting that is known to be no secret.
fn shown(text: &str, number: usize, known: &Registry) -> String {
    let before: Vec<&str> = text.lines().take(number).map(str::trim).collect();
    let Some((line, before)) = before.split_last() else { return String::new() };
    let plain = |text: &str| -> String {
        text.chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c }).collect()
    };
    if line.starts_with('[') {
        return plain(line);
    }
    // Within a text of several lines, a line is not what it seems to be.
    if before.iter().any(|line| line.contains("\"\"\"") || line.contains("'''")) {
        return MASK.to_owned();
    }
    let Some((key, value)) = line.split_once('=') else {
        // `port: 80`, as in YAML; anything else may be a value.
        let key = line.split_once(':').map(|(key, _)| key.trim());
        let is_known = |key: &&str| known.keys().iter().any(|known| known.ends_with(&format!(".{key}")));
        return key.filter(is_known).map_or_else(|| MASK.to_owned(), |key| format!("{key}: {MASK}"));
    };
    let table = before.iter().rev().find_map(|line| line.strip_prefix('[')).unwrap_or_default();
    let table = table.trim_start_matches('[').split(']').next().unwrap_or_default();
    let path = table.split('.').chain(key.split('.')).map(|part| part.trim().trim_matches(['"', '\'']));
    let mut path = path.filter(|part| !part.is_empty());
    let section = path.next().and_then(|section| known.get(section)).map(|section| &section.shape);
    let shape = section.and_then(|shape| path.try_fold(shape, |shape, key| shape.child(key)));
    match shape {
        Some(shape) if !shape.conceals() && !value.contains(['=', '#']) => plain(line),
        _ => plain(key.trim()) + " = " + MASK,
    }
}

/// Line and column of a byte, both from 1, the column in characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

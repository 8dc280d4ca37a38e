//! What the source says of the sections: their keys, what those may be, and what they are for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The sections of the framework and of the service, as they are written.
#[derive(Default)]
pub(super) struct Source {
    structs: Vec<Item<Field>>,
    enums: Vec<Item<String>>,
    /// Which struct, in which file, is the section of a name.
    sections: BTreeMap<String, (PathBuf, String)>,
}

/// A struct with its fields, or an enum with its variants.
struct Item<P> {
    file: PathBuf,
    name: String,
    says: String,
    parts: Vec<P>,
}

struct Field {
    key: String,
    is: String,
    says: String,
}

/// A line of the page: a key, or a table that keys are in.
pub(super) struct Row {
    pub(super) key: String,
    /// What it may be; a table has none.
    pub(super) kind: Option<String>,
    pub(super) says: String,
}

enum Kind<'a> {
    Leaf(String),
    Table(&'a Item<Field>),
    /// One table for each name that is given.
    Tables(&'a Item<Field>),
}

impl Source {
    pub(super) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut source = Self::default();
        for directory in ["framework/src", "app/src"] {
            source.read_directory(&root.join(directory));
        }
        source
    }

    fn read_directory(&mut self, directory: &Path) {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("tests") {
                self.read_directory(&path);
            } else if path.extension().is_some_and(|is| is == "rs") && !path.ends_with("tests.rs") {
                self.read_file(&path, &fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn read_file(&mut self, file: &Path, text: &str) {
        let mut lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
        let mut above = Above::default();
        while let Some(line) = lines.next() {
            if above.takes(line, &mut lines) {
                continue;
            }
            let Above { says, attributes } = std::mem::take(&mut above);
            let words = without_visibility(line);
            let begins = |word: &str| {
                Some(words.strip_prefix(word)?.strip_suffix(" {")?.to_owned()).filter(|it| !it.contains('<'))
            };
            if let Some(name) = begins("struct ") {
                let parts = fields(&mut lines);
                self.structs.push(Item { file: file.to_owned(), name, says, parts });
            } else if let Some(name) = begins("enum ") {
                let parts = variants(&mut lines, quoted(&attributes, "rename_all").unwrap_or_default());
                self.enums.push(Item { file: file.to_owned(), name, says, parts });
            } else if let Some(name) = begins("impl Section for ") {
                let section = lines.next().and_then(|line| quoted(line, "const NAME: &'static str"));
                self.sections.insert(section.unwrap(), (file.to_owned(), name));
            }
        }
    }

    /// The names of all sections.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }

    /// What a section is, and its keys.
    pub(super) fn section(&self, name: &str) -> (String, Vec<Row>) {
        let (file, of) = &self.sections[name];
        let section = find(&self.structs, file, of).unwrap();
        let mut rows = Vec::new();
        self.rows(section, name, &mut rows);
        (section.says.clone(), rows)
    }

    /// The keys of a table, and then the tables in it.
    fn rows(&self, table: &Item<Field>, prefix: &str, rows: &mut Vec<Row>) {
        let mut tables = Vec::new();
        for field in &table.parts {
            let key = format!("{prefix}.{}", field.key);
            match self.kind(&table.file, &field.is) {
                Kind::Leaf(kind) => rows.push(Row { key, kind: Some(kind), says: field.says.clone() }),
                Kind::Table(inner) => tables.push((key, inner, field)),
                Kind::Tables(inner) => tables.push((format!("{key}.NAME"), inner, field)),
            }
        }
        for (key, inner, field) in tables {
            let says = if inner.says.is_empty() { &field.says } else { &inner.says };
            rows.push(Row { key: key.clone(), kind: None, says: says.clone() });
            self.rows(inner, &key, rows);
        }
    }

    fn kind(&self, file: &Path, is: &str) -> Kind<'_> {
        let inside = |outside: &str| is.strip_prefix(outside)?.strip_suffix('>');
        if let Some(inner) = inside("Option<") {
            return self.kind(file, inner);
        }
        if let Some(inner) = inside("BTreeMap<String, ") {
            return match self.kind(file, inner) {
                Kind::Leaf(kind) => Kind::Leaf(format!("{kind} by name")),
                Kind::Table(inner) => Kind::Tables(inner),
                Kind::Tables(_) => panic!("{}: tables of tables: {is}", file.display()),
            };
        }
        if let Some(table) = find(&self.structs, file, is) {
            return Kind::Table(table);
        }
        if let Some(choices) = find(&self.enums, file, is)
            && is != "Trust"
        {
            return Kind::Leaf(
                choices.parts.iter().map(|it| format!("`\"{it}\"`")).collect::<Vec<_>>().join(", "),
            );
        }
        let kind = match is {
            "bool" => "`true`, `false`",
            "u8" | "u16" | "u32" | "u64" | "usize" => "whole number",
            "f64" => "number",
            "Duration" => "duration",
            "String" => "text",
            "PathBuf" => "path",
            "Secret<String>" => "secret text",
            "Vec<String>" => "list of texts",
            "Trust" => "`\"all\"`, `\"none\"`, list of networks",
            other => panic!("{}: what is a {other}, for people? Say it here", file.display()),
        };
        Kind::Leaf(kind.to_owned())
    }
}

/// The item of a name: that of the same file, or else of the same directory, or else the only one.
fn find<'a, P>(items: &'a [Item<P>], file: &Path, name: &str) -> Option<&'a Item<P>> {
    let named = || items.iter().filter(move |item| item.name == name);
    let near = named()
        .find(|item| item.file == file)
        .or_else(|| named().find(|item| item.file.parent() == file.parent()));
    near.or_else(|| {
        assert!(named().count() < 2, "{}: there are several {name}", file.display());
        named().next()
    })
}

/// What stands above an item or a field.
#[derive(Default)]
struct Above {
    says: String,
    attributes: String,
}

impl Above {
    /// Takes a line of documentation, or an attribute to its end.
    fn takes<'a>(&mut self, line: &str, more: &mut impl Iterator<Item = &'a str>) -> bool {
        let line = line.trim();
        if let Some(says) = line.strip_prefix("///") {
            // A paragraph ends where a line is empty.
            self.says.push_str(if says.is_empty() { "\n" } else { says });
            return true;
        }
        if line.starts_with("#[") {
            self.attributes.push_str(line);
            while !self.attributes.ends_with(']') {
                self.attributes.push_str(more.next().unwrap().trim());
            }
            return true;
        }
        false
    }
}

fn fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut above = Above::default();
    while let Some(line) = lines.next().filter(|line| *line != "}") {
        if above.takes(line, lines) || line.trim().is_empty() || line.trim().starts_with("//") {
            continue;
        }
        let Above { says, attributes } = std::mem::take(&mut above);
        let mut text = without_visibility(line.trim()).to_owned();
        while !text.ends_with(',') {
            text.push_str(lines.next().unwrap().trim());
        }
        let (name, is) = text.trim_end_matches(',').split_once(": ").unwrap();
        if attributes.contains("serde") && !attributes.contains("serde(skip") {
            assert!(!attributes.contains("flatten"), "{name}: its keys are not written here");
        }
        let key = quoted(&attributes, "rename").unwrap_or_else(|| name.to_owned());
        fields.push(Field { key, is: is.to_owned(), says });
    }
    fields
}

fn variants<'a>(lines: &mut impl Iterator<Item = &'a str>, rename_all: String) -> Vec<String> {
    let mut variants = Vec::new();
    let mut above = Above::default();
    while let Some(line) = lines.next().filter(|line| *line != "}") {
        if above.takes(line, lines) {
            continue;
        }
        let Above { attributes, .. } = std::mem::take(&mut above);
        // What a variant has inside is no concern of a setting.
        let Some(name) = line.strip_prefix("    ").and_then(|line| line.strip_suffix(',')) else { continue };
        variants.push(quoted(&attributes, "rename").unwrap_or_else(|| match rename_all.as_str() {
            "kebab-case" => kebab(name),
            "lowercase" => name.to_lowercase(),
            _ => name.to_owned(),
        }));
    }
    variants
}

fn kebab(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// The text in quotes after `key =`.
fn quoted(text: &str, key: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("{key} = \""))?;
    Some(rest.split('"').next()?.to_owned())
}

fn without_visibility(line: &str) -> &str {
    let rest = line.strip_prefix("pub").unwrap_or(line);
    let rest = rest.strip_prefix("(crate)").or_else(|| rest.strip_prefix("(super)")).unwrap_or(rest);
    rest.strip_prefix(' ').filter(|_| rest.len() < line.len()).unwrap_or(line)
}

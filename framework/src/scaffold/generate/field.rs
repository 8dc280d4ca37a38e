use serde::Serialize;

use super::name::Name;
use super::reserved::COLUMNS;
use crate::scaffold::ScaffoldError;

/// What a field can be.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    String,
    Text,
    Int,
    Bigint,
    Bool,
    Float,
    Money,
    Date,
    Datetime,
    Uuid,
    References,
}

/// Each with what it is, for the help and for errors.
pub(super) const KINDS: &[(&str, Kind, &str)] = &[
    ("string", Kind::String, "a line of 1 to 200 characters"),
    ("text", Kind::Text, "1 to 10,000 characters in lines"),
    ("int", Kind::Int, "a whole number of 32 bits"),
    ("bigint", Kind::Bigint, "a whole number that JSON keeps exact, of 53 bits"),
    ("bool", Kind::Bool, "true or false"),
    ("float", Kind::Float, "a number that is not exact"),
    ("money", Kind::Money, "an amount in whole minor units, with its currency"),
    ("date", Kind::Date, "a day"),
    ("datetime", Kind::Datetime, "a time in UTC, to the microsecond"),
    ("uuid", Kind::Uuid, "a UUID"),
    ("references", Kind::References, "the id of a row of another table"),
];

/// What others call them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("belongs_to", "references"),
    ("boolean", "bool"),
    ("char", "string"),
    ("currency", "money"),
    ("decimal", "money"),
    ("double", "float"),
    ("f64", "float"),
    ("foreign_key", "references"),
    ("guid", "uuid"),
    ("i32", "int"),
    ("i64", "bigint"),
    ("integer", "int"),
    ("long", "bigint"),
    ("number", "int"),
    ("numeric", "money"),
    ("price", "money"),
    ("str", "string"),
    ("time", "datetime"),
    ("timestamp", "datetime"),
    ("varchar", "string"),
];

/// The type that was meant, if one comes near.
fn meant(typed: &str) -> Option<&'static str> {
    let typed = typed.to_lowercase();
    let other = ELSEWHERE.iter().find(|(other, _)| *other == typed).map(|(_, kind)| *kind);
    let distance = |kind: &str| strsim::damerau_levenshtein(&typed, kind);
    other.or_else(|| {
        let near = KINDS.iter().map(|(kind, ..)| *kind).min_by_key(|kind| distance(kind))?;
        (distance(near) <= (typed.chars().count() / 3).clamp(1, 3)).then_some(near)
    })
}

/// A field of a resource.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) words: String,
    pub(super) kind: Kind,
    pub(super) optional: bool,
    pub(super) unique: bool,
    pub(super) index: bool,
    /// The table whose row it is the id of.
    pub(super) table: Option<String>,
    /// One of those, with its article.
    pub(super) parent: Option<String>,
    /// Of the table.
    pub(super) column: String,
    /// Its type there, in the words of diesel.
    pub(super) diesel: &'static str,
    pub(super) sqlite: Column,
    pub(super) postgres: Column,
}

/// How a database has it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Column {
    #[serde(rename = "type")]
    pub(super) sql_type: &'static str,
    pub(super) check: Option<String>,
}

impl Field {
    /// A field as it was typed: `name:type`, `name:type?`, with `:unique` or `:index` behind it, or with a table behind the
    /// type `references`.
    pub(super) fn parse(typed: &str) -> Result<Self, ScaffoldError> {
        let refuse = |why: String| ScaffoldError::Usage(format!("the field {typed:?}: {why}"));
        let mut parts = typed.split(':');
        let name = Name::new(parts.next().unwrap_or_default())?;
        let Some(kind) = parts.next() else {
            name.check_sql("column")?;
            return Err(refuse(format!("say its type, as in `{}:string`; {}", name.snake, known())));
        };
        let (kind, optional) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
        let Some((_, kind, _)) = KINDS.iter().find(|(known, ..)| *known == kind) else {
            let meant = meant(kind).map(|kind| format!(", did you mean `{kind}`?")).unwrap_or_default();
            return Err(refuse(format!("there is no type {kind:?}{meant}; {}", known())));
        };
        let field = match kind {
            Kind::References => Self::reference(name, optional, parts).map_err(refuse)?,
            kind => Self::plain(name, *kind, optional, parts, refuse)?,
        };
        if COLUMNS.contains(&field.name.as_str()) {
            return Err(refuse(format!(
                "every table has a `{}` already, or diesel a meaning for it",
                field.name
            )));
        }
        Ok(field)
    }

    fn plain<'a>(
        name: Name,
        kind: Kind,
        optional: bool,
        modifiers: impl Iterator<Item = &'a str>,
        refuse: impl Fn(String) -> ScaffoldError,
    ) -> Result<Self, ScaffoldError> {
        name.check_sql("column")?;
        let (mut unique, mut index) = (false, false);
        for modifier in modifiers {
            match modifier {
                "unique" => unique = true,
                "index" => index = true,
                other => {
                    return Err(refuse(format!(
                        "there is no {other:?}: only `unique` and `index` may follow"
                    )));
                }
            }
        }
        if unique && matches!(kind, Kind::Bool | Kind::Float | Kind::Money) {
            return Err(refuse("of this type two may well be alike: leave `:unique` out".to_owned()));
        }
        Ok(Self { unique, index: index && !unique, ..Self::new(name, kind, optional) })
    }

    /// `customer:references` is the column `customer_id`, of the table `customers` unless another is named.
    fn reference<'a>(
        name: Name,
        optional: bool,
        mut parts: impl Iterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let stem = name.snake.strip_suffix("_id").unwrap_or(&name.snake).to_owned();
        let named = parts.next();
        if let Some(other) = named.filter(|other| ["unique", "index"].contains(other)).or(parts.next()) {
            return Err(format!(
                "no {other:?} may follow: it has an index already, and nothing but the name of its table stands behind it"
            ));
        }
        let told = |error: ScaffoldError| error.to_string();
        let (_, table) = Name::one_and_many(&stem, None).map_err(told)?;
        let table = named.map_or(Ok(table), |table| Name::new(table).map_err(told))?;
        let column = Name::new(&format!("{stem}_id")).map_err(told)?;
        let parent = Name::new(&stem).map_err(told)?;
        let parent = format!("{} {}", parent.article, parent.words);
        let field = Self::new(column, Kind::References, optional);
        Ok(Self { index: true, table: Some(table.snake), parent: Some(parent), ..field })
    }

    fn new(name: Name, kind: Kind, optional: bool) -> Self {
        let column = if kind == Kind::Money { format!("{}_minor", name.snake) } else { name.snake.clone() };
        let (diesel, sqlite, postgres) = columns(kind, &column);
        Self {
            name: name.snake,
            words: name.words,
            kind,
            optional,
            unique: false,
            index: false,
            table: None,
            parent: None,
            column,
            diesel,
            sqlite,
            postgres,
        }
    }

    /// All fields of a resource.
    pub(super) fn parse_all(typed: &[String], table: &str) -> Result<Vec<Self>, ScaffoldError> {
        let fields = typed.iter().map(|typed| Self::parse(typed)).collect::<Result<Vec<_>, _>>()?;
        let money = fields.iter().any(|field| field.kind == Kind::Money);
        for field in &fields {
            let refuse = |why: &str| ScaffoldError::Usage(format!("the field `{}`: {why}", field.name));
            let others = fields.iter().filter(|other| {
                other.name == field.name || other.column == field.column || other.column == field.name
            });
            if others.count() > 1 {
                return Err(refuse("there are two of this name"));
            }
            if field.column == table {
                return Err(refuse("diesel allows no column with the name of its table"));
            }
            if money && field.name == "currency" {
                return Err(refuse("a resource with money has it already: leave it out"));
            }
        }
        Ok(fields)
    }
}

fn columns(kind: Kind, column: &str) -> (&'static str, Column, Column) {
    let plain = |sql_type| Column { sql_type, check: None };
    let checked = |sql_type, check: String| Column { sql_type, check: Some(check) };
    let length =
        |function: &str, most: u32| checked("TEXT", format!("{function}({column}) BETWEEN 1 AND {most}"));
    let both = |column: Column| (column.clone(), column);
    let (diesel, (sqlite, postgres)) = match kind {
        Kind::String => ("Text", (length("length", 200), length("char_length", 200))),
        Kind::Text => ("Text", (length("length", 10_000), length("char_length", 10_000))),
        Kind::Int => ("Integer", both(plain("INTEGER"))),
        Kind::Bigint | Kind::References => ("BigInt", both(plain("BIGINT"))),
        Kind::Bool => ("Bool", (checked("BOOLEAN", format!("{column} IN (0, 1)")), plain("BOOLEAN"))),
        Kind::Float => ("Double", both(plain("DOUBLE PRECISION"))),
        Kind::Money => ("BigInt", both(checked("BIGINT", format!("{column} >= 0")))),
        Kind::Date => ("Date", both(plain("DATE"))),
        Kind::Datetime => ("Timestamp", both(plain("TIMESTAMP"))),
        // SQLite has no type of its own for it, and diesel none that both have.
        Kind::Uuid => ("Text", (length_of_uuid(column, "length"), length_of_uuid(column, "char_length"))),
    };
    (diesel, sqlite, postgres)
}

fn length_of_uuid(column: &str, function: &str) -> Column {
    Column { sql_type: "TEXT", check: Some(format!("{function}({column}) = 36")) }
}

fn known() -> String {
    let kinds: Vec<_> = KINDS.iter().map(|(name, _, what)| format!("`{name}` ({what})")).collect();
    format!("the types are {}, each with `?` behind it if the field may be absent", kinds.join(", "))
}

//! The tables that a `schema.rs` declares, as far as the rows of another one refer to them.

use super::code::Code;

/// A table, as `diesel::table!` declares it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    columns: Vec<Column>,
}

#[derive(Debug, PartialEq, Eq)]
struct Column {
    name: String,
    /// Its type in diesel's words.
    kind: String,
}

/// A column that refers to a table, as `diesel::joinable!` says it.
#[derive(Debug, PartialEq, Eq)]
struct Join {
    child: String,
    parent: String,
    column: String,
}

/// All that a `schema.rs` says.
#[derive(Debug)]
pub(super) struct Tables {
    tables: Vec<Table>,
    joins: Vec<Join>,
}

impl Tables {
    pub(super) fn read(text: &str) -> Self {
        let code = Code::new(text);
        Self {
            tables: bodies(&code, "table").filter_map(table).collect(),
            joins: bodies(&code, "joinable").filter_map(join).collect(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The names of those whose rows have such an id as `references` holds.
    pub(super) fn names(&self) -> Vec<&str> {
        self.tables.iter().filter(|table| table.has_number()).map(|table| table.name.as_str()).collect()
    }

    /// Statements that store one row in each of these tables and before it in those that it refers to, for a database that
    /// is empty.
    pub(super) fn rows(&self, names: &[&str]) -> Vec<String> {
        let (mut order, mut on_the_way) = (Vec::new(), Vec::new());
        for name in names {
            self.visit(name, &mut order, &mut on_the_way);
        }
        order.into_iter().map(Table::row).collect()
    }

    fn visit<'a>(&'a self, name: &str, order: &mut Vec<&'a Table>, on_the_way: &mut Vec<&'a str>) {
        let Some(table) = self.get(name).filter(|table| !on_the_way.contains(&table.name.as_str())) else {
            return;
        };
        on_the_way.push(&table.name);
        for column in &table.columns {
            if let Some(parent) = self.parent(table, column) {
                self.visit(&parent, order, on_the_way);
            }
        }
        order.push(table);
    }

    /// The table that a column refers to: by what is said of joins, else by its name.
    fn parent(&self, table: &Table, column: &Column) -> Option<String> {
        let said = self.joins.iter().find(|join| join.child == table.name && join.column == column.name);
        if let Some(join) = said {
            return Some(join.parent.clone());
        }
        let stem = column.name.strip_suffix("_id")?;
        let (_, many) = super::name::Name::one_and_many(stem, None).ok()?;
        Some(many.snake)
    }
}

impl Table {
    /// Whether its rows have a whole number of 64 bits for an id.
    pub(super) fn has_number(&self) -> bool {
        self.columns.iter().any(|column| column.name == "id" && column.kind == "BigInt")
    }

    /// A statement that stores a row, for both databases, whose id is that of an empty table. Whether the table's CHECKs let it
    /// through is up to them: those of written resources do.
    fn row(&self) -> String {
        let needed = self.columns.iter().filter(|it| it.name != "id" && !it.kind.starts_with("Nullable"));
        let (names, values): (Vec<_>, Vec<_>) = needed.map(|it| (it.name.as_str(), it.sample())).unzip();
        if names.is_empty() {
            return format!("INSERT INTO {} DEFAULT VALUES", self.name);
        }
        format!("INSERT INTO {} ({}) VALUES ({})", self.name, names.join(", "), values.join(", "))
    }
}

impl Column {
    /// A value as SQL has it.
    fn sample(&self) -> &'static str {
        match self.kind.as_str() {
            "Bool" => "TRUE",
            "Date" => "'2026-01-31'",
            "Timestamp" | "Timestamptz" => "'2026-01-31 12:30:00'",
            _ if self.name == "currency" => "'EUR'",
            // As long as a UUID, and as it is written.
            "Text" | "Varchar" | "Uuid" => "'00000000-0000-4000-8000-000000000001'",
            _ => "1",
        }
    }
}

/// What stands in the brackets of each call of a macro.
fn bodies<'a>(code: &'a Code, name: &'a str) -> impl Iterator<Item = &'a str> {
    code.words(name).filter_map(move |at| {
        let open = code.skip_blanks(at + name.len());
        let open = code.text()[open..].starts_with('!').then(|| code.skip_blanks(open + 1))?;
        let close = code.text()[open..].starts_with(['{', '(', '[']).then(|| code.close(open))??;
        code.text().get(open + 1..close - 1)
    })
}

/// `schema.name (id) { column -> Type, … }`
fn table(body: &str) -> Option<Table> {
    let (head, columns) = body.split_once('{')?;
    let (columns, _) = columns.rsplit_once('}')?;
    let name = head.split('(').next()?.rsplit(['.', ';', '}']).next()?.trim();
    let column = |text: &str| {
        // What says more of it stands above it.
        let text = text.rsplit(']').next().unwrap_or(text);
        let (name, kind) = text.split_once("->")?;
        Some(Column { name: name.trim().to_owned(), kind: kind.split_whitespace().collect() })
    };
    Some(Table { name: name.to_owned(), columns: columns.split(',').filter_map(column).collect() })
}

/// `child -> parent (column)`
fn join(body: &str) -> Option<Join> {
    let (child, rest) = body.split_once("->")?;
    let (parent, column) = rest.split_once('(')?;
    let name = |text: &str| text.trim_matches(|c: char| c.is_whitespace() || c == ')').to_owned();
    Some(Join { child: name(child), parent: name(parent), column: name(column) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "\
//! diesel::table! { no (id) { id -> BigInt, } }

diesel::table! {
    users (id) {
        id -> BigInt,
        #[max_length = 254]
        email -> Varchar, // table! { neither (id) {} }
        nick -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    invoices (id) { id -> BigInt, author_id -> BigInt, amount_minor -> BigInt, currency -> Text, paid -> Bool }
}

diesel::table! { invoice_lines (id) { id -> BigInt, invoice_id -> BigInt } }
diesel::table! { marks (id) { id -> Integer } }
diesel::joinable!(invoices -> users (author_id));
";

    #[test]
    fn a_row_comes_behind_those_that_it_refers_to() {
        let tables = Tables::read(SCHEMA);
        assert_eq!(tables.names(), ["users", "invoices", "invoice_lines"]);
        assert_eq!(
            tables.rows(&["invoice_lines", "users"]),
            [
                "INSERT INTO users (email, created_at) VALUES ('00000000-0000-4000-8000-000000000001', \
                 '2026-01-31 12:30:00')",
                "INSERT INTO invoices (author_id, amount_minor, currency, paid) VALUES (1, 1, 'EUR', TRUE)",
                "INSERT INTO invoice_lines (invoice_id) VALUES (1)",
            ]
        );
        assert!(tables.get("no").is_none() && tables.get("neither").is_none());
        assert!(!tables.get("marks").unwrap().has_number());
    }

    #[test]
    fn a_table_that_refers_to_itself_ends() {
        let tables = Tables::read("table! { parts (id) { id -> BigInt, part_id -> BigInt } }");
        assert_eq!(tables.rows(&["parts"]), ["INSERT INTO parts (part_id) VALUES (1)"]);
    }
}

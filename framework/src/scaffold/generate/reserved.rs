//! Words that cannot be names, each by what would come of it.

/// Keywords of Rust, those that are kept for later among them (Reference, chapter Keywords).
pub(super) const RUST: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// What SQLite or PostgreSQL take for something else where a table or a column is named without quotes (SQLite, "SQLite
/// Keywords", those that are no identifiers; PostgreSQL, appendix C, those that are reserved).
pub(super) const SQL: &[&str] = &[
    "add", "all", "alter", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
    "autoincrement", "between", "binary", "both", "case", "cast", "check", "collate", "collation", "column", "commit",
    "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable", "delete", "desc",
    "distinct", "do", "drop", "else", "end", "escape", "except", "exists", "false", "fetch", "for", "foreign",
    "freeze", "from", "full", "grant", "group", "having", "ilike", "in", "index", "initially", "inner", "insert",
    "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit", "localtime",
    "localtimestamp", "natural", "not", "nothing", "notnull", "null", "offset", "on", "only", "or", "order", "outer",
    "overlaps", "placing", "primary", "references", "returning", "right", "select", "session_user", "set", "similar",
    "some", "symmetric", "system_user", "table", "tablesample", "then", "to", "trailing", "transaction", "true",
    "union", "unique", "update", "user", "using", "values", "variadic", "verbose", "when", "where", "window", "with",
];

/// Crates whose names a module of the service would hide.
pub(super) const CRATES: &[&str] = &[
    "actix", "actix_web", "alloc", "chrono", "core", "diesel", "diesel_async", "diesel_migrations", "iso_currency",
    "proc_macro", "serde", "serde_json", "spanbox", "std", "test", "thiserror", "tokio", "tracing", "utoipa", "uuid",
];

/// Files and modules that every service has.
pub(super) const PROGRAM: &[&str] = &["health", "lib", "main", "money", "openapi", "schema", "service"];

/// What the files of a resource import, and what is in scope everywhere.
pub(super) const TYPES: &[&str] = &[
    "Amount", "Api", "Box", "Conn", "Currency", "DateTime", "Db", "DbError", "Decimal", "Err", "HttpResponse", "Json",
    "ListQuery", "Module", "NaiveDate", "NaiveDateTime", "None", "Ok", "OpenApi", "Option", "Path", "Problem", "Query",
    "Result", "Self", "Some", "StatusCode", "String", "Utc", "Uuid", "Value", "Vec",
];

/// What diesel's `table!` makes beside the columns of a table, and the columns that each has.
pub(super) const COLUMNS: &[&str] =
    &["all_columns", "columns", "created_at", "dsl", "id", "sql_type", "star", "table", "updated_at"];

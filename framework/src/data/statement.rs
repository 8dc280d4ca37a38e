//! What telemetry says about a statement: its text without values, its summary, its operation and its table.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, StringValue};
use opentelemetry_semantic_conventions::attribute;

use crate::telemetry::Bound;

/// Longer texts are cut; a text this long is one nobody reads in a trace.
const MAX_TEXT: usize = 4096;
/// The limit that the semantic conventions set for a summary.
const MAX_SUMMARY: usize = 255;

/// A statement as spans and metrics show it; made once per query type and shared.
pub(super) struct Statement {
    /// The span's name, e.g. `SELECT orders`.
    pub(super) summary: StringValue,
    /// Its text, without values.
    pub(super) text: StringValue,
    /// The same for statements of the same text.
    pub(super) fingerprint: u64,
    /// Whether it has a comment.
    pub(super) commented: bool,
    /// All attributes of the span.
    pub(super) span: Vec<KeyValue>,
    /// The attributes of the measurements.
    pub(super) metric: Vec<KeyValue>,
    /// Where those are counted that went well; none without metrics.
    pub(super) durations: Option<Bound>,
}

impl Statement {
    /// `base` are the attributes of every statement of a database. Texts are shared: they are cloned for every span.
    pub(super) fn new(sql: &str, base: &[KeyValue], duration: Option<&Histogram<f64>>) -> Self {
        let read = read(sql);
        let shared = |text: String| StringValue::from(Arc::<str>::from(text));
        let mut fingerprint = DefaultHasher::new();
        read.text.hash(&mut fingerprint);
        let (summary, text) = (shared(read.summary), shared(read.text));
        let mut metric = base.to_vec();
        metric.extend(read.operation.map(|name| KeyValue::new(attribute::DB_OPERATION_NAME, shared(name))));
        metric.extend(read.collection.map(|name| KeyValue::new(attribute::DB_COLLECTION_NAME, shared(name))));
        metric.push(KeyValue::new(attribute::DB_QUERY_SUMMARY, summary.clone()));
        let mut span = metric.clone();
        span.push(KeyValue::new(attribute::DB_QUERY_TEXT, text.clone()));
        let (fingerprint, commented) = (fingerprint.finish(), read.commented);
        let durations = duration.map(|duration| Bound::new(duration.clone(), metric.clone()));
        Self { summary, text, fingerprint, commented, span, metric, durations }
    }
}

/// What one pass over the SQL tells.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    pub(super) text: String,
    pub(super) summary: String,
    pub(super) operation: Option<String>,
    pub(super) collection: Option<String>,
    pub(super) commented: bool,
}

/// Reads the SQL once: literals and comments leave the text, operations and tables enter the summary
/// (OpenTelemetry semantic conventions, "Generating a summary of the query").
pub(super) fn read(sql: &str) -> Read {
    let mut reader = Reader::default();
    let mut rest = sql;
    while let Some(token) = next_token(&mut rest) {
        reader.take(&token);
        if reader.text.len() >= MAX_TEXT {
            break;
        }
    }
    reader.finish()
}

#[derive(Debug)]
enum Token<'a> {
    Space,
    Comment,
    Literal,
    Word(&'a str),
    Quoted { raw: &'a str, name: &'a str },
    Mark(&'a str),
}

fn next_token<'a>(rest: &mut &'a str) -> Option<Token<'a>> {
    let sql = *rest;
    let first = sql.chars().next()?;
    let (len, token): (usize, fn(&'a str) -> Token<'a>) = match first {
        c if c.is_whitespace() => (prefix(sql, char::is_whitespace), |_| Token::Space),
        '-' if sql.starts_with("--") => (sql.find('\n').unwrap_or(sql.len()), |_| Token::Comment),
        '/' if sql.starts_with("/*") => (sql.find("*/").map_or(sql.len(), |end| end + 2), |_| Token::Comment),
        '\'' => (quoted(sql, '\'', false), |_| Token::Literal),
        'E' | 'e' if sql[1..].starts_with('\'') => (1 + quoted(&sql[1..], '\'', true), |_| Token::Literal),
        '"' | '`' => {
            (quoted(sql, first, false), |raw| Token::Quoted { raw, name: raw.trim_matches(['"', '`']) })
        }
        '$' => match dollar_quoted(sql) {
            Some(len) => (len, |_| Token::Literal),
            None => (1 + prefix(&sql[1..], |c| c.is_ascii_digit()), Token::Mark),
        },
        // SQLite numbers its parameters `?1`.
        '?' => (1 + prefix(&sql[1..], |c| c.is_ascii_digit()), Token::Mark),
        c if c.is_ascii_digit() => (prefix(sql, |c| c.is_alphanumeric() || c == '.'), |_| Token::Literal),
        c if c.is_alphabetic() || c == '_' => {
            (prefix(sql, |c| c.is_alphanumeric() || c == '_' || c == '$'), Token::Word)
        }
        c => (c.len_utf8(), Token::Mark),
    };
    let (raw, left) = sql.split_at(len);
    *rest = left;
    Some(token(raw))
}

fn prefix(sql: &str, belongs: impl Fn(char) -> bool) -> usize {
    sql.find(|c| !belongs(c)).unwrap_or(sql.len())
}

/// The length of a quoted run; a doubled quote stands for itself, and a missing end is the end of the text.
fn quoted(sql: &str, quote: char, backslash: bool) -> usize {
    let mut chars = sql.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if backslash && c == '\\' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                }
                _ => return at + c.len_utf8(),
            }
        }
    }
    sql.len()
}

/// The length of `$tag$ … $tag$`, if that is what starts here.
fn dollar_quoted(sql: &str) -> Option<usize> {
    let tag = 1 + prefix(&sql[1..], |c| c.is_alphanumeric() || c == '_');
    if !sql[tag..].starts_with('$') || sql[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let delimiter = &sql[..=tag];
    let body = delimiter.len();
    Some(sql[body..].find(delimiter).map_or(sql.len(), |end| body + end + delimiter.len()))
}

#[derive(Default)]
struct Reader {
    text: String,
    summary: String,
    operations: Vec<String>,
    tables: Vec<String>,
    /// One entry per open parenthesis: whether a SELECT was seen in it, so that the FROM of `extract(year FROM d)`
    /// is not taken for a table's.
    queries: Vec<bool>,
    /// The last word, upper case.
    last: String,
    started: bool,
    /// The next name is a table's.
    table_next: bool,
    /// The last token was a table's name, and a dot continues it.
    in_table: bool,
    after_dot: bool,
    commented: bool,
}

impl Reader {
    fn take(&mut self, token: &Token<'_>) {
        match token {
            Token::Space | Token::Comment => {
                self.commented |= matches!(token, Token::Comment);
                if !self.text.is_empty() && !self.text.ends_with(' ') {
                    self.text.push(' ');
                }
            }
            Token::Literal => {
                self.text.push('?');
                self.table_next = false;
            }
            Token::Word(word) => {
                self.text.push_str(word);
                self.word(word);
            }
            Token::Quoted { raw, name } => {
                self.text.push_str(raw);
                self.name(name);
            }
            Token::Mark(mark) => {
                self.text.push_str(mark);
                self.mark(mark);
            }
        }
    }

    fn mark(&mut self, mark: &str) {
        match mark {
            "." if self.in_table => self.after_dot = true,
            "(" => {
                self.queries.push(false);
                self.table_next = false;
                self.in_table = false;
            }
            ")" => {
                self.queries.pop();
                self.in_table = false;
            }
            ";" => {
                self.started = false;
                self.table_next = false;
                self.in_table = false;
            }
            _ => self.in_table = false,
        }
    }

    fn word(&mut self, word: &str) {
        if self.after_dot {
            return self.name(word);
        }
        let upper = word.to_ascii_uppercase();
        let before = std::mem::replace(&mut self.last, upper.clone());
        let in_query = self.queries.last().copied().unwrap_or(true);
        match upper.as_str() {
            "SELECT" => {
                if let Some(level) = self.queries.last_mut() {
                    *level = true;
                }
                self.operation(&upper);
            }
            // FOR UPDATE, DO UPDATE, ON DELETE are clauses.
            "UPDATE" | "DELETE" | "INSERT" if !matches!(before.as_str(), "FOR" | "KEY" | "DO" | "ON") => {
                if let Some(level) = self.queries.last_mut() {
                    *level = true;
                }
                self.operation(&upper);
                self.table_next = upper == "UPDATE";
            }
            "FROM" if in_query && before != "DISTINCT" => self.table_next = true,
            "INTO" | "JOIN" => self.table_next = true,
            "TABLE" if matches!(before.as_str(), "CREATE" | "DROP" | "ALTER" | "TRUNCATE" | "TEMPORARY") => {
                self.table_next = true;
            }
            "IF" | "NOT" | "EXISTS" | "ONLY" | "LATERAL" if self.table_next => {}
            "WITH" if !self.started => self.started = true,
            _ if !self.started => self.operation(&upper),
            _ => self.name(word),
        }
    }

    fn operation(&mut self, name: &str) {
        self.started = true;
        self.table_next = false;
        self.in_table = false;
        self.summarise(name);
        self.operations.push(name.to_owned());
    }

    fn name(&mut self, name: &str) {
        if self.after_dot && self.in_table {
            self.after_dot = false;
            self.summary.push('.');
            self.summary.push_str(name);
            if let Some(table) = self.tables.last_mut() {
                table.push('.');
                table.push_str(name);
            }
            return;
        }
        self.in_table = self.table_next;
        if std::mem::take(&mut self.table_next) {
            self.summarise(name);
            self.tables.push(name.to_owned());
        }
    }

    fn summarise(&mut self, word: &str) {
        if self.summary.len() + word.len() < MAX_SUMMARY {
            if !self.summary.is_empty() {
                self.summary.push(' ');
            }
            self.summary.push_str(word);
        }
    }

    fn finish(mut self) -> Read {
        self.text.truncate(self.text.trim_end().len());
        if self.text.len() > MAX_TEXT {
            let mut end = MAX_TEXT;
            while !self.text.is_char_boundary(end) {
                end -= 1;
            }
            self.text.truncate(end);
        }
        self.operations.dedup();
        self.tables.dedup();
        let only = |names: &[String]| if let [name] = names { Some(name.clone()) } else { None };
        if self.summary.is_empty() {
            self.summary.push_str("query");
        }
        Read {
            operation: only(&self.operations),
            collection: only(&self.tables),
            commented: self.commented,
            text: self.text,
            summary: self.summary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn summary(sql: &str, expected: &str) {
        assert_eq!(read(sql).summary, expected, "{sql}");
    }

    #[test]
    fn the_summary_names_operations_and_tables() {
        summary(r#"SELECT "orders"."id" FROM "orders" WHERE ("orders"."id" = $1)"#, "SELECT orders");
        summary("SELECT `orders`.`id` FROM `orders` WHERE (`orders`.`id` = ?) LIMIT ?", "SELECT orders");
        summary(r#"INSERT INTO "orders" ("id") VALUES ($1) RETURNING "orders"."id""#, "INSERT orders");
        summary("UPDATE orders SET a = $1 WHERE id = $2", "UPDATE orders");
        summary("DELETE  FROM public.orders WHERE id = $1", "DELETE public.orders");
        summary("insert into a select * from b inner join \"c\" on b.x = c.x", "INSERT a SELECT b c");
        summary(
            "WITH x AS (SELECT id FROM jobs FOR UPDATE SKIP LOCKED) UPDATE jobs SET a = 1",
            "SELECT jobs UPDATE jobs",
        );
        summary("CREATE TABLE IF NOT EXISTS orders (id INTEGER)", "CREATE orders");
        summary("BEGIN IMMEDIATE", "BEGIN");
        summary("PRAGMA foreign_keys = ON; SELECT 1", "PRAGMA SELECT");
        summary("", "query");
    }

    #[test]
    fn clauses_are_no_operations_and_functions_no_tables() {
        summary("SELECT extract(year FROM created) FROM orders", "SELECT orders");
        summary("SELECT 1 FROM a WHERE a.x IS DISTINCT FROM a.y", "SELECT a");
        summary("INSERT INTO a (x) VALUES (1) ON CONFLICT (x) DO UPDATE SET y = 2", "INSERT a");
        summary("SELECT * FROM (SELECT * FROM a) AS t", "SELECT SELECT a");
    }

    #[test]
    fn operation_and_collection_are_told_only_when_there_is_one() {
        let one = read("SELECT 1 FROM a");
        assert_eq!((one.operation.as_deref(), one.collection.as_deref()), (Some("SELECT"), Some("a")));
        let two = read("INSERT INTO a SELECT * FROM b");
        assert_eq!((two.operation, two.collection), (None, None));
    }

    #[test]
    fn no_literal_or_comment_stays_in_the_text() {
        let sql = "SELECT 'al''ice', E'b\\'ob', $tag$carol$tag$, 4711, 1.5e3, x1 -- dave\nFROM t /* erin */ WHERE a = $1";
        assert_eq!(read(sql).text, "SELECT ?, ?, ?, ?, ?, x1 FROM t WHERE a = $1");
        assert_eq!(read("SELECT 'never ended").text, "SELECT ?");
        assert_eq!(read("SELECT 'Zoë–é' FROM \"tä\"").text, "SELECT ? FROM \"tä\"");
    }

    #[test]
    fn long_statements_are_cut() {
        let sql = format!("SELECT * FROM t WHERE {}", "é = $1 AND ".repeat(2000));
        let read = read(&sql);
        assert!(read.text.len() <= MAX_TEXT + 20);
        assert!(super::read(&"SELECT 1 FROM long_table_name;".repeat(100)).summary.len() <= MAX_SUMMARY);
    }
}

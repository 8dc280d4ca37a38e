use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::field::{Field, Kind};
use super::name::Name;
use super::service::LIB;
use super::tables::{Table, Tables};
use super::wire;
use super::work::Work;
use crate::scaffold::ScaffoldError;

/// Where the tables are declared.
const SCHEMA: &str = "src/schema.rs";

/// Each type of a field, for the help.
const HELP: &str = "\
Fields are written NAME:TYPE, with `?` behind the type if the field may be absent, and with `:unique` or `:index` behind
that for an index. Types:
  string    a line of 1 to 200 characters
  text      1 to 10,000 characters in lines
  int       a whole number of 32 bits
  bigint    a whole number that JSON keeps exact, of 53 bits
  bool      true or false
  float     a number that is not exact
  money     an amount in whole minor units; a resource with money has a currency
  date      a day
  datetime  a time in UTC, to the microsecond
  uuid      a UUID
  references
            the id of a row of another table: `customer:references` is the field `customer_id`, a foreign key with an index
            to the table `customers`; `author:references:users` is `author_id`, to the table `users`

  spanbox generate resource Invoice number:string:unique amount:money due:date note:text? customer:references";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct Resource {
    /// What one of them is called, e.g. Invoice
    name: String,
    /// What it consists of, e.g. number:string:unique
    #[arg(value_name = "FIELD:TYPE")]
    fields: Vec<String>,
    /// What many of them are called, where that is not as in English
    #[arg(long)]
    plural: Option<String>,
    /// For everybody, in a service with accounts: without this its routes are for who has signed in
    #[arg(long)]
    public: bool,
}

/// What its templates are told.
#[derive(Serialize)]
struct Words {
    one: Name,
    many: Name,
    fields: Vec<Field>,
    /// Which kinds of fields there are.
    has: Has,
    /// Whether some field may be absent.
    optional: bool,
    /// The words of the fields of which no two may be alike.
    unique: Vec<String>,
    /// Whether its routes are for who has signed in.
    signed_in: bool,
    /// Statements that store what the samples of its tests refer to.
    rows: Vec<String>,
    /// The paths by which the modules of what they refer to have it deleted.
    parents: Vec<String>,
    library: String,
}

#[derive(Serialize)]
struct Has {
    string: bool,
    text: bool,
    bigint: bool,
    money: bool,
    date: bool,
    datetime: bool,
    uuid: bool,
    references: bool,
    /// Whether a sample of it has its number in it.
    numbered: bool,
}

impl Resource {
    pub(super) fn plan(&self, work: &mut Work) -> Result<(), ScaffoldError> {
        let (one, many) = Name::one_and_many(&self.name, self.plural.as_deref())?;
        one.check_type()?;
        many.check_sql("table")?;
        if self.fields.is_empty() {
            return Err(ScaffoldError::Usage(format!(
                "{} {} of what? Give its fields, as in `spanbox generate resource {} name:string`; `spanbox generate \
                 module` writes one without a table",
                one.article, one.words, self.name
            )));
        }
        let fields = Field::parse_all(&self.fields, &many.snake)?;
        work.check_module(&many.snake)?;
        if !work.service.has_migrations() {
            return Err(ScaffoldError::NoPlace {
                file: work.service.root.join(LIB),
                line: "static MIGRATIONS: Migrations = Migrations::new(embed_migrations!(\"migrations/sqlite\"), \
                       embed_migrations!(\"migrations/postgres\"));"
                    .to_owned(),
                why: "the service has no database; it is given these with `.migrations(&MIGRATIONS)`",
            });
        }
        let rows = rows(work, &many, &fields)?;
        let guarded = work.service.has_accounts();
        let signed_in = guarded && !self.public;
        let parents = parents(work, &fields, signed_in);
        let library = work.service.library.clone();
        let words = Words { signed_in, rows, parents, ..Words::new(one, many, fields, library) };
        words.check_columns(work)?;
        work.depend(&words.crates(), &["actix", "serde_json"])?;
        let module = words.many.snake.clone();
        for file in ["mod", "draft", "error", "model", "routes", "store"] {
            work.file(format!("src/{module}/{file}.rs"), &format!("resource/{file}.rs"), &words)?;
        }
        if words.has.money {
            self.money(work)?;
        }
        migrations(work, &words)?;
        schema(work, &words)?;
        work.wire_module(&module)?;
        work.describe(&module)?;
        work.test(&module, "resource/test.rs", &words)?;
        if guarded {
            let who = if signed_in {
                "are for who has signed in, and each sees all of them: whose they are is up to `spanbox::web::Principal`"
            } else {
                "are open to everybody"
            };
            work.notes.push(format!("the routes of /api/{} {who}", words.many.kebab));
        }
        work.notes.push(
            "`cargo run -- migrate up` makes the table, `cargo run` too in development; `cargo test` tries all of it".to_owned(),
        );
        Ok(())
    }

    /// Money is written once for a service, and may have been changed since.
    fn money(&self, work: &mut Work) -> Result<(), ScaffoldError> {
        let there =
            ["src/money.rs", "src/money/mod.rs"].iter().any(|file| work.service.root.join(file).exists());
        if !there {
            work.file("src/money.rs", "money.rs", ())?;
        }
        work.declare(LIB, "money")
    }
}

fn migrations(work: &mut Work, words: &Words) -> Result<(), ScaffoldError> {
    let name = format!("create_{}", words.many.snake);
    let directory = work.service.migration(&name).unwrap_or_else(|| work.service.new_migration(&name));
    for database in ["sqlite", "postgres"] {
        let below: PathBuf = work.service.migrations.join(database).join(&directory);
        work.file(below.join("up.sql"), &format!("resource/{database}.sql"), words)?;
        work.file(below.join("down.sql"), "resource/down.sql", words)?;
    }
    Ok(())
}

/// Statements that store what a row refers to, if all of that is there.
fn rows(work: &Work, many: &Name, fields: &[Field]) -> Result<Vec<String>, ScaffoldError> {
    let text = fs::read_to_string(work.service.root.join(SCHEMA)).unwrap_or_default();
    let tables = Tables::read(&text);
    let mut parents = Vec::new();
    for field in fields {
        let Some(table) = &field.table else { continue };
        let refuse = |why: String| ScaffoldError::Usage(format!("the field `{}`: {why}", field.name));
        if *table == many.snake {
            return Err(refuse(
                "a table that refers to itself is made by hand, as its first row has none to refer to"
                    .to_owned(),
            ));
        }
        if !tables.get(table).is_some_and(Table::has_number) {
            return Err(refuse(format!(
                "there is no table `{table}` in {SCHEMA} whose id is a BigInt; generate it first, or name another one behind \
                 the type, of {}",
                listed(&tables.names())
            )));
        }
        parents.push(table.as_str());
    }
    Ok(tables.rows(&parents))
}

/// Where those that rows refer to are deleted over HTTP, by modules that were written so and that let the tests in.
fn parents(work: &Work, fields: &[Field], signed_in: bool) -> Vec<String> {
    let mut paths = Vec::new();
    for table in fields.iter().filter_map(|field| field.table.as_deref()) {
        let file = |name: &str| {
            fs::read_to_string(work.service.root.join("src").join(table).join(name)).unwrap_or_default()
        };
        let prefix = format!("/api/{}", table.replace('_', "-"));
        let routes = file("mod.rs");
        let deletes =
            routes.contains(&format!(".prefix(\"{prefix}\")")) && routes.contains(".delete(\"/{id}\"");
        let keeps = file("error.rs").contains("::InUse(_)");
        let open = !["Principal", "UserId"].iter().any(|who| file("routes.rs").contains(who));
        let path = format!("{prefix}/1");
        if deletes && keeps && (signed_in || open) && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "which there is none yet".to_owned() } else { names.join(", ") }
}

fn schema(work: &mut Work, words: &Words) -> Result<(), ScaffoldError> {
    if !work.plan.has(SCHEMA) {
        work.file(SCHEMA, "schema.rs", ())?;
    }
    work.declare(LIB, "schema")?;
    let (name, table) = (words.many.snake.clone(), work.render("resource/table.rs", words)?);
    work.line(SCHEMA, &format!("diesel::table! {{ {name} (id) {{ … }} }}"), |text| {
        wire::add_table(text, &name, &table)
    })?;
    for field in &words.fields {
        let Some(parent) = &field.table else { continue };
        let line = format!("diesel::joinable!({name} -> {parent} ({}));", field.column);
        work.line(SCHEMA, &line, |text| wire::add_join(text, &name, parent, &field.column))?;
    }
    Ok(())
}

impl Words {
    fn new(one: Name, many: Name, fields: Vec<Field>, library: String) -> Self {
        let has = |kind: Kind| fields.iter().any(|field| field.kind == kind);
        let unnumbered = [Kind::Bool, Kind::Float, Kind::Money, Kind::References];
        let has = Has {
            string: has(Kind::String),
            text: has(Kind::Text),
            bigint: has(Kind::Bigint),
            money: has(Kind::Money),
            date: has(Kind::Date),
            datetime: has(Kind::Datetime),
            uuid: has(Kind::Uuid),
            references: has(Kind::References),
            numbered: fields.iter().any(|field| !unnumbered.contains(&field.kind)),
        };
        let optional = fields.iter().any(|field| field.optional);
        let unique = fields.iter().filter(|field| field.unique).map(|field| field.words.clone()).collect();
        Self {
            one,
            many,
            fields,
            has,
            optional,
            unique,
            signed_in: false,
            rows: Vec::new(),
            parents: Vec::new(),
            library,
        }
    }

    /// Refuses more columns than diesel is built for.
    fn check_columns(&self, work: &Work) -> Result<(), ScaffoldError> {
        // The id, the version, and when it was created and updated.
        let columns = 4 + self.fields.len() + usize::from(self.has.money);
        let most = [("128-column-tables", 128), ("64-column-tables", 64), ("32-column-tables", 32)]
            .into_iter()
            .find_map(|(feature, most)| work.service.manifest.contains(feature).then_some(most))
            .unwrap_or(16);
        if columns <= most {
            return Ok(());
        }
        Err(ScaffoldError::Usage(format!(
            "that makes a table of {columns} columns, and diesel is built for {most}: give the service's diesel the feature \
             `{}-column-tables`, or make two resources of it",
            most * 2
        )))
    }

    /// What its code needs.
    fn crates(&self) -> Vec<&'static str> {
        let mut crates =
            vec!["actix-web", "chrono", "diesel", "diesel-async", "serde", "thiserror", "utoipa"];
        crates.extend(self.has.money.then_some("iso_currency"));
        crates.extend(self.has.uuid.then_some("uuid"));
        crates
    }
}

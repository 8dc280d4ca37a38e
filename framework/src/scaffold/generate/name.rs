use heck::{ToKebabCase as _, ToSnakeCase as _, ToUpperCamelCase as _};
use serde::Serialize;

use super::reserved::{CRATES, PROGRAM, RUST, SQL, TYPES, instead};
use crate::scaffold::ScaffoldError;

/// As long as a name may be: with two of them an index still has a name that PostgreSQL keeps whole.
const MAX: usize = 28;
/// As long as what a migration is called.
const MAX_LONG: usize = 80;

/// A name in each way of writing it.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub(super) struct Name {
    /// `invoice_line`
    pub(super) snake: String,
    /// `InvoiceLine`
    pub(super) camel: String,
    /// `invoice-line`
    pub(super) kebab: String,
    /// `invoice line`
    pub(super) words: String,
    /// `Invoice line`
    pub(super) sentence: String,
    /// `an`
    pub(super) article: &'static str,
}

impl Name {
    /// A name as it was typed: `InvoiceLine`, `invoice_line` and `invoice-line` are one.
    pub(super) fn new(typed: &str) -> Result<Self, ScaffoldError> {
        let name = Self::within(typed, MAX)?;
        if RUST.contains(&name.snake.as_str()) {
            return Err(ScaffoldError::Usage(format!(
                "{typed:?} is no name here: `{}` is a keyword of Rust; take another, e.g. `{}`",
                name.snake,
                instead(&name.snake)
            )));
        }
        Ok(name)
    }

    /// A name that is only one of a directory.
    pub(super) fn long(typed: &str) -> Result<Self, ScaffoldError> {
        Self::within(typed, MAX_LONG)
    }

    fn within(typed: &str, most: usize) -> Result<Self, ScaffoldError> {
        let refuse = |why: String| Err(ScaffoldError::Usage(format!("{typed:?} is no name here: {why}")));
        if !typed.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return refuse("it has to begin with a letter".to_owned());
        }
        if let Some(bad) = typed.chars().find(|c| !c.is_ascii_alphanumeric() && !['_', '-'].contains(c)) {
            return refuse(format!("{bad:?} is neither a letter, a digit, `_` nor `-`"));
        }
        let name = Self::of(typed);
        if name.snake.len() > most {
            return refuse(format!("it is longer than {most} characters"));
        }
        Ok(name)
    }

    /// A name that was looked at already.
    fn of(typed: &str) -> Self {
        let snake = typed.to_snake_case();
        let words = snake.replace('_', " ");
        let sentence = words[..1].to_uppercase() + &words[1..];
        // By how it is spoken.
        let vowel = snake.starts_with(['a', 'e', 'i', 'o', 'u'])
            && !["eu", "one", "uni", "us", "ut", "uuid"].iter().any(|it| snake.starts_with(it));
        let article =
            if vowel || ["heir", "hono", "hour"].iter().any(|it| snake.starts_with(it)) { "an" } else { "a" };
        Self {
            camel: typed.to_upper_camel_case(),
            kebab: typed.to_kebab_case(),
            words,
            sentence,
            article,
            snake,
        }
    }

    /// A name that a module, and so a directory, is given.
    pub(super) fn module(typed: &str) -> Result<Self, ScaffoldError> {
        let name = Self::new(typed)?;
        let of = if CRATES.contains(&name.snake.as_str()) {
            "a crate"
        } else if PROGRAM.contains(&name.snake.as_str()) {
            "a part of every service"
        } else {
            return Ok(name);
        };
        Err(ScaffoldError::Usage(format!("{typed:?} is no name for a module: it is that of {of}")))
    }

    /// Refuses it as the name of a type if the files that are written know another.
    pub(super) fn check_type(&self) -> Result<(), ScaffoldError> {
        if TYPES.contains(&self.camel.as_str()) {
            return Err(ScaffoldError::Usage(format!(
                "`{}` is no name here: the code that is written has another type of this name",
                self.camel
            )));
        }
        Ok(())
    }

    /// Refuses it as the name of a table or of a column if a statement could not have it.
    pub(super) fn check_sql(&self, what: &str) -> Result<(), ScaffoldError> {
        if SQL.contains(&self.snake.as_str()) {
            return Err(ScaffoldError::Usage(format!(
                "`{}` is no name for a {what}: it is a keyword of SQL; take another, e.g. `{}`",
                self.snake,
                instead(&self.snake)
            )));
        }
        Ok(())
    }

    /// One of them and many, whichever was typed.
    pub(super) fn one_and_many(typed: &str, plural: Option<&str>) -> Result<(Self, Self), ScaffoldError> {
        let typed = Self::new(typed)?;
        let (one, many) = match plural {
            Some(plural) => (typed.snake, Self::module(plural)?.snake),
            None => match singular(&typed.snake) {
                Some(one) => (one, typed.snake),
                None => (typed.snake.clone(), plural_of(&typed.snake)),
            },
        };
        if one == many {
            return Err(ScaffoldError::Usage(format!(
                "`{one}` is one and many: say with --plural what many are called, as in `--plural {one}_items`"
            )));
        }
        Ok((Self::new(&one)?, Self::module(&many)?))
    }
}

const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("child", "children"),
    ("man", "men"),
    ("woman", "women"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("mouse", "mice"),
    ("datum", "data"),
    ("medium", "media"),
    ("criterion", "criteria"),
    ("index", "indices"),
    ("half", "halves"),
    ("shelf", "shelves"),
    ("leaf", "leaves"),
    ("life", "lives"),
    ("wife", "wives"),
    ("knife", "knives"),
    ("wolf", "wolves"),
    ("goose", "geese"),
    ("ox", "oxen"),
    ("quiz", "quizzes"),
    ("hero", "heroes"),
    ("potato", "potatoes"),
    ("tomato", "tomatoes"),
    ("matrix", "matrices"),
    ("vertex", "vertices"),
    ("analysis", "analyses"),
    ("crisis", "crises"),
    ("diagnosis", "diagnoses"),
    ("hypothesis", "hypotheses"),
    ("thesis", "theses"),
];

/// Many of them have the name of one.
const COUNTLESS: &[&str] = &[
    "equipment",
    "feedback",
    "fish",
    "furniture",
    "hardware",
    "information",
    "luggage",
    "metadata",
    "money",
    "news",
    "series",
    "sheep",
    "software",
    "species",
    "staff",
];

/// What many of something are called in English; the last word of a name counts.
fn plural_of(one: &str) -> String {
    let (before, word) =
        one.rsplit_once('_').map_or(("", one), |(_, word)| (&one[..one.len() - word.len()], word));
    let many = match IRREGULAR.iter().find(|(known, _)| *known == word) {
        Some((_, many)) => (*many).to_owned(),
        None if COUNTLESS.contains(&word) => word.to_owned(),
        None if ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end)) => format!("{word}es"),
        None => match word.strip_suffix('y') {
            Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
            _ => format!("{word}s"),
        },
    };
    format!("{before}{many}")
}

/// One of what a name in the plural names; `None` for one that is none.
fn singular(many: &str) -> Option<String> {
    let (before, word) =
        many.rsplit_once('_').map_or(("", many), |(_, word)| (&many[..many.len() - word.len()], word));
    let one = if let Some((one, _)) = IRREGULAR.iter().find(|(_, known)| *known == word) {
        (*one).to_owned()
    } else if ["ss", "us", "is", "as", "os"].iter().any(|end| word.ends_with(end))
        || COUNTLESS.contains(&word)
    {
        return None;
    } else if let Some(stem) = word.strip_suffix("ies") {
        format!("{stem}y")
    } else if ["ses", "xes", "zes", "ches", "shes"].iter().any(|end| word.ends_with(end)) {
        // Whether it is of a `case` or of a `bus`.
        let stem = word.strip_suffix('s')?;
        if ["ases", "oses", "uses", "izes"].iter().any(|end| word.ends_with(end)) && !word.ends_with("buses")
        {
            stem.to_owned()
        } else {
            stem.strip_suffix('e')?.to_owned()
        }
    } else {
        word.strip_suffix('s').filter(|stem| stem.len() > 1)?.to_owned()
    };
    Some(format!("{before}{one}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_many_are_found_from_either() {
        for (one, many) in [
            ("invoice", "invoices"),
            ("category", "categories"),
            ("day", "days"),
            ("tax", "taxes"),
            ("address", "addresses"),
            ("branch", "branches"),
            ("purchase", "purchases"),
            ("invoice_line", "invoice_lines"),
            ("contact_person", "contact_people"),
            ("bus", "buses"),
            ("status", "statuses"),
            ("risk_analysis", "risk_analyses"),
            ("quiz", "quizzes"),
        ] {
            assert_eq!(plural_of(one), many);
            let (found, of) = Name::one_and_many(one, None).unwrap();
            assert_eq!((found.snake.as_str(), of.snake.as_str()), (one, many));
        }
        for (many, one) in [
            ("invoices", "invoice"),
            ("Categories", "category"),
            ("people", "person"),
            ("invoice-lines", "invoice_line"),
            ("Analyses", "analysis"),
        ] {
            let (found, of) = Name::one_and_many(many, None).unwrap();
            assert_eq!((found.snake.as_str(), of.snake), (one, many.to_snake_case()));
        }
        for countless in ["news", "Sheep", "office_equipment"] {
            let told = Name::one_and_many(countless, None).unwrap_err().to_string();
            assert!(told.contains("is one and many") && told.contains("_items`"), "{told}");
        }
        let (one, many) = Name::one_and_many("news", Some("news_items")).unwrap();
        assert_eq!((one.snake.as_str(), many.snake.as_str()), ("news", "news_items"));
        let (one, many) = Name::one_and_many("octopus", Some("octopodes")).unwrap();
        assert_eq!((one.snake.as_str(), many.snake.as_str()), ("octopus", "octopodes"));
    }

    #[test]
    fn the_article_is_the_one_that_is_spoken() {
        for (name, article) in [
            ("invoice", "an"),
            ("user", "a"),
            ("unit", "a"),
            ("update", "an"),
            ("hour", "an"),
            ("house", "a"),
        ] {
            assert_eq!(Name::new(name).unwrap().article, article, "{name}");
        }
    }

    #[test]
    fn each_way_of_writing_a_name_is_the_same_name() {
        let name = Name::new("InvoiceLine").unwrap();
        for typed in ["invoice_line", "invoice-line", "invoiceLine", "INVOICE_LINE", "Invoice-Line"] {
            assert_eq!(Name::new(typed).unwrap(), name, "{typed}");
        }
        assert_eq!(
            (name.kebab.as_str(), name.sentence.as_str(), name.article),
            ("invoice-line", "Invoice line", "an")
        );
    }
}

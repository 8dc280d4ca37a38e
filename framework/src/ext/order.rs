use super::Entry;
use crate::module::is_name;

/// The extensions in the order in which they are installed: each after those that it names, and otherwise as given.
///
/// # Errors
///
/// What is wrong with their names and what they name, one line each.
pub(crate) fn in_order(extensions: Vec<Entry>) -> Result<Vec<Entry>, Vec<String>> {
    let mut wrong = Vec::new();
    for (place, Entry { name, after, .. }) in extensions.iter().enumerate() {
        if !is_name(name) {
            wrong.push(format!("extension `{name}`: a name is made of lower-case letters, digits and `-`"));
        }
        if extensions[..place].iter().any(|other| other.name == *name) {
            wrong.push(format!("extension `{name}`: there are two of this name; give one another name"));
        }
        for missing in after.iter().filter(|needed| !extensions.iter().any(|other| other.name == **needed)) {
            wrong.push(format!(
                "extension `{name}`: it needs the extension `{missing}`, which the service does not have; \
                 add it with Service::extension"
            ));
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let (mut left, mut ordered) = (extensions, Vec::<Entry>::new());
    while !left.is_empty() {
        let installed = |needed: &&str| ordered.iter().any(|entry| entry.name == *needed);
        let Some(next) = left.iter().position(|entry| entry.after.iter().all(installed)) else {
            let names: Vec<_> = left.iter().map(|entry| format!("`{}`", entry.name)).collect();
            return Err(vec![format!("extensions {}: each waits for another of them", names.join(", "))]);
        };
        ordered.push(left.remove(next));
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext::Extension;
    use crate::module::{Boot, BoxError};

    macro_rules! extensions {
        ($($name:ident = $called:literal after [$($needed:literal),*];)+) => {$(
            struct $name;
            impl Extension for $name {
                const NAME: &'static str = $called;
                const AFTER: &'static [&'static str] = &[$($needed),*];
                type Installed = ();
                async fn install(self, _: Boot) -> Result<(), BoxError> {
                    Ok(())
                }
            }
        )+};
    }

    extensions! {
        Mailer = "mailer" after ["cache", "keys"];
        Cache = "cache" after ["keys"];
        Keys = "keys" after [];
        Chicken = "chicken" after ["egg"];
        Egg = "egg" after ["chicken"];
        Shouting = "LOUD" after ["quiet"];
    }

    fn names(extensions: Vec<Entry>) -> Result<Vec<&'static str>, Vec<String>> {
        in_order(extensions).map(|all| all.iter().map(|entry| entry.name).collect())
    }

    #[test]
    fn each_comes_after_those_it_needs_and_otherwise_as_given() {
        let given = vec![Entry::new(Mailer), Entry::new(Cache), Entry::new(Keys)];
        assert_eq!(names(given).unwrap(), ["keys", "cache", "mailer"]);
    }

    #[test]
    fn what_waits_for_each_other_is_refused() {
        let wrong = names(vec![Entry::new(Keys), Entry::new(Chicken), Entry::new(Egg)]).unwrap_err();
        assert_eq!(wrong, ["extensions `chicken`, `egg`: each waits for another of them"]);
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let wrong = names(vec![Entry::new(Keys), Entry::new(Shouting), Entry::new(Keys)]).unwrap_err();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].contains("`LOUD`: a name is made of"), "{wrong:?}");
        assert!(wrong[1].contains("needs the extension `quiet`"), "{wrong:?}");
        assert!(wrong[2].contains("two of this name"), "{wrong:?}");
    }
}

//! What clients send, normalised and within bounds.

use serde::Deserialize;
use spanbox::redact::{Pii, Secret};
use utoipa::ToSchema;

/// RFC 5321, section 4.5.3.1: what fits between the angle brackets, and before the `@`.
pub(super) const MAX_EMAIL: usize = 254;
const MAX_LOCAL: usize = 64;

/// NIST SP 800-63B asks for 8 at least, and for 64 to be accepted.
pub(super) const MIN_PASSWORD: usize = 10;
pub(super) const MAX_PASSWORD: usize = 128;

/// An e-mail address in lower case. Whether mail arrives there nobody has tried.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Pii<String>")]
pub(super) struct Email(Pii<String>);

impl Email {
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }

    pub(super) fn into_exposed(self) -> String {
        self.0.into_exposed()
    }

    /// One that was normalised before it was stored.
    pub(super) const fn stored(text: String) -> Self {
        Self(Pii::new(text))
    }
}

impl TryFrom<Pii<String>> for Email {
    type Error = &'static str;

    fn try_from(text: Pii<String>) -> Result<Self, Self::Error> {
        let text = text.into_exposed();
        let printable = |c: char| c.is_ascii_graphic();
        if !text.is_ascii() {
            return Err("must be ASCII: write the domain as xn--…");
        }
        if text.len() > MAX_EMAIL {
            return Err("is longer than 254 characters");
        }
        let Some((local, domain)) = text.rsplit_once('@') else { return Err("is no e-mail address") };
        let quoted = local.contains(['@', '"', '(', ')', ',', ':', ';', '<', '>', '[', ']', '\\']);
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let local_fits = (1..=MAX_LOCAL).contains(&local.len()) && local.chars().all(printable) && !quoted;
        if local_fits && domain.contains('.') && domain.split('.').all(label) {
            Ok(Self(Pii::new(text.to_ascii_lowercase())))
        } else {
            Err("is no e-mail address")
        }
    }
}

/// A password that somebody claims to have.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Secret<String>")]
pub(super) struct Password(Secret<String>);

impl Password {
    pub(super) fn into_secret(self) -> Secret<String> {
        self.0
    }
}

impl TryFrom<Secret<String>> for Password {
    type Error = &'static str;

    fn try_from(password: Secret<String>) -> Result<Self, Self::Error> {
        if password.expose().chars().count() > MAX_PASSWORD {
            Err("is longer than 128 characters")
        } else if password.expose().chars().any(char::is_control) {
            Err("must not contain control characters")
        } else {
            Ok(Self(password))
        }
    }
}

/// A password that somebody wants to have.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Secret<String>")]
pub(super) struct NewPassword(Secret<String>);

impl NewPassword {
    pub(super) fn into_secret(self) -> Secret<String> {
        self.0
    }

    /// Whether it is what everybody would try first with this address.
    pub(super) fn tells(&self, email: &Email) -> bool {
        let (password, email) = (self.0.expose().to_ascii_lowercase(), email.expose());
        password == email || email.split('@').next().is_some_and(|local| password == local)
    }
}

impl TryFrom<Secret<String>> for NewPassword {
    type Error = &'static str;

    fn try_from(password: Secret<String>) -> Result<Self, Self::Error> {
        let Password(password) = Password::try_from(password)?;
        if password.expose().chars().count() < MIN_PASSWORD {
            Err("is shorter than 10 characters")
        } else {
            Ok(Self(password))
        }
    }
}

/// Who registers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    pub(super) email: Email,
    pub(super) password: NewPassword,
}

/// An e-mail address and the password that goes with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    pub(super) email: Email,
    pub(super) password: Password,
}

/// What is given for the next pair of tokens.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    #[schema(value_type = String)]
    pub(super) refresh_token: Secret<String>,
}

/// The password that was, and that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    pub(super) current_password: Password,
    pub(super) new_password: NewPassword,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Result<String, &'static str> {
        Email::try_from(Pii::new(text.to_owned())).map(Email::into_exposed)
    }

    #[test]
    fn an_address_is_normalised_or_refused() {
        for (text, normalised) in [
            ("Ann@Example.COM", "ann@example.com"),
            ("a.b+c@xn--bcher-kva.example", "a.b+c@xn--bcher-kva.example"),
        ] {
            assert_eq!(email(text).unwrap(), normalised);
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b".repeat(260));
        for text in [
            "",
            "@",
            "a@",
            "@b.com",
            "a b@c.com",
            "a@b",
            "a@b..com",
            "a@-b.com",
            "a@b@c.com",
            "a\u{0}@b.com",
            "a@b.com\n",
            "ann@bücher.example",
            "<a>@b.com",
            &long,
            &longer,
        ] {
            assert!(email(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_new_password_has_a_length_and_no_control_characters() {
        let new = |text: &str| NewPassword::try_from(Secret::new(text.to_owned()));
        assert!(new("correct horse").is_ok() && new(&"é".repeat(128)).is_ok());
        for text in ["short", "nul\u{0}nul\u{0}nul\u{0}", "line\nline\nline", &"x".repeat(129)] {
            assert!(new(text).is_err(), "{text:?}");
        }
        let ann = Email::try_from(Pii::new("annabelle.lee@example.com".to_owned())).unwrap();
        for (text, tells) in
            [("Annabelle.Lee@example.com", true), ("ANNABELLE.LEE", true), ("annabelle-lee", false)]
        {
            assert_eq!(new(text).ok().unwrap().tells(&ann), tells, "{text}");
        }
    }
}

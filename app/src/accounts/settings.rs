use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanbox::config::Section;
use spanbox::redact::{Pii, Secret};

use super::input::{Email, NewPassword};

/// `[accounts]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccountSettings {
    /// After so many wrong passwords in a row an account waits before the next one is looked at: `lockout_min`, then
    /// twice as long each time, up to `lockout_max`. Default 5.
    pub(crate) account_failures: u32,
    /// The same for all that one address tries (of IPv6 its /64), with whatever accounts; 0 is without limit. Behind a
    /// proxy it is the client's where `server.trusted_proxies` names the proxy, and everybody's where it does not.
    /// Default 100.
    pub(crate) address_failures: u32,
    /// The first of these waits. Default 1 s, at least that.
    #[serde(with = "humantime_serde")]
    pub(crate) lockout_min: Duration,
    /// The longest of these waits, and how long failures are remembered. Default 15 min, at least `lockout_min`.
    #[serde(with = "humantime_serde")]
    pub(crate) lockout_max: Duration,
    /// The e-mail address of the first admin, who is created at the start when nobody has it. Not set: nobody is.
    pub(crate) first_admin: Option<String>,
    /// The password of that admin.
    #[serde(serialize_with = "Secret::masked")]
    pub(crate) first_admin_password: Option<Secret<String>>,
}

impl AccountSettings {
    /// The first admin, as `check` has seen to it that one can be.
    pub(super) fn admin(&self) -> Option<(Email, NewPassword)> {
        let email = Email::try_from(Pii::new(self.first_admin.clone()?)).ok()?;
        let password = NewPassword::try_from(self.first_admin_password.clone()?).ok()?;
        Some((email, password))
    }
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            account_failures: 5,
            address_failures: 100,
            lockout_min: Duration::from_secs(1),
            lockout_max: Duration::from_secs(15 * 60),
            first_admin: None,
            first_admin_password: None,
        }
    }
}

impl Section for AccountSettings {
    const NAME: &'static str = "accounts";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.account_failures == 0 {
            wrong.push((
                "account_failures",
                "must be at least 1: it keeps passwords from being guessed".to_owned(),
            ));
        }
        if self.lockout_min < Duration::from_secs(1) {
            wrong.push(("lockout_min", "must be at least 1s".to_owned()));
        }
        if self.lockout_max < self.lockout_min {
            wrong.push(("lockout_max", "must be at least accounts.lockout_min".to_owned()));
        }
        let email = self.first_admin.clone().map(|email| Email::try_from(Pii::new(email)));
        if let Some(Err(reason)) = email {
            wrong.push(("first_admin", reason.to_owned()));
        }
        match (&self.first_admin, self.first_admin_password.clone().map(NewPassword::try_from)) {
            (_, Some(Err(reason))) => wrong.push(("first_admin_password", reason.to_owned())),
            (Some(_), None) => {
                wrong.push(("first_admin_password", "is missing: accounts.first_admin needs one".to_owned()));
            }
            _ => {}
        }
        wrong
    }
}

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;
use diesel::{Insertable, Queryable, Selectable};
use serde::{Serialize, Serializer};
use spanbox::redact::Pii;
use utoipa::ToSchema;

use super::input::Email;
use crate::schema::users;
use crate::stored_as_text::stored_as_text;

/// What a user may do.
#[derive(AsExpression, Clone, Copy, Debug, FromSqlRow, PartialEq, Eq, Serialize, ToSchema)]
#[diesel(sql_type = Text)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Sees and changes what is theirs.
    User,
    /// Sees and changes everything.
    Admin,
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    fn of_text(name: &str) -> Option<Self> {
        [Self::User, Self::Admin].into_iter().find(|role| role.as_str() == name)
    }
}

stored_as_text!(Role, "a user with the unknown role");

/// A user as the table holds one.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct User {
    pub(super) id: i64,
    email: String,
    pub(super) password_hash: String,
    pub(super) role: Role,
    pub(super) disabled_at: Option<NaiveDateTime>,
    created_at: NaiveDateTime,
}

impl User {
    /// How tokens call the user.
    pub(super) fn subject(&self) -> String {
        self.id.to_string()
    }

    pub(super) fn roles(&self) -> Vec<String> {
        vec![self.role.as_str().to_owned()]
    }

    /// The address, normalised when the user registered.
    pub(super) fn email(&self) -> Email {
        Email::stored(self.email.clone())
    }

    pub(super) const fn is_disabled(&self) -> bool {
        self.disabled_at.is_some()
    }
}

/// As the user sees it: never the hash.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct Wire {
    id: i64,
    #[serde(serialize_with = "Pii::reveal")]
    #[schema(value_type = String)]
    email: Pii<String>,
    role: Role,
    created_at: DateTime<Utc>,
}

impl Serialize for User {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            id: self.id,
            email: Pii::new(self.email.clone()),
            role: self.role,
            created_at: self.created_at.and_utc(),
        }
        .serialize(serializer)
    }
}

/// A row to insert: all of it, so that its statement is always the same.
#[derive(Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub(super) struct NewUser {
    email: String,
    password_hash: String,
    role: Role,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl NewUser {
    pub(super) fn new(email: Email, password_hash: String, role: Role) -> Self {
        let now = now();
        Self { email: email.into_exposed(), password_hash, role, created_at: now, updated_at: now }
    }
}

/// The time in UTC as precisely as both databases keep it.
pub(super) fn now() -> NaiveDateTime {
    Utc::now().naive_utc().trunc_subsecs(6)
}

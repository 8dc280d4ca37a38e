use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an order stands: `pending → processing → completed | failed`; `pending → cancelled` by its client; or `failed`
/// from `pending` and `processing` when nobody processes it any more.
#[derive(AsExpression, Clone, Copy, Debug, Deserialize, FromSqlRow, PartialEq, Eq, Serialize, ToSchema)]
#[diesel(sql_type = Text)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Taken, not looked at yet.
    Pending,
    /// Its job has begun.
    Processing,
    /// Done.
    Completed,
    /// Refused by its validation, its payment declined, or left unfinished for too long.
    Failed,
    /// Called off before its job began.
    Cancelled,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of a name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let all = [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Cancelled];
        all.into_iter().find(|status| status.as_str() == name)
    }

    /// The one status from which a step leads to this one; none for the first.
    pub(crate) const fn before(self) -> Option<Self> {
        match self {
            Self::Pending => None,
            Self::Processing | Self::Cancelled => Some(Self::Pending),
            Self::Completed | Self::Failed => Some(Self::Processing),
        }
    }

    /// Whether no step leads on from it.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl<DB> ToSql<Text, DB> for Status
where
    DB: Backend,
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_str().to_sql(out)
    }
}

impl<DB> FromSql<Text, DB> for Status
where
    DB: Backend,
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let text = String::from_sql(bytes)?;
        Self::of(&text)
            .ok_or_else(|| format!("the database holds an order with the unknown status `{text}`").into())
    }
}

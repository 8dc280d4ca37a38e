use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stored_as_text::stored_as_text;

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
    pub(crate) fn of_text(name: &str) -> Option<Self> {
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

stored_as_text!(Status, "an order with the unknown status");

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use spanbox::config::Config;
use spanbox::web::{Principal, Problem};

use super::user::Role;
use crate::orders::OrderSettings;

/// Whose orders a request is about. As the argument of a handler it is 401 for a request that is from nobody, unless
/// `orders.allow_anonymous` lets nobody act on what is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody who has signed in.
    Anonymous,
    /// A user, by the number.
    User(i64),
    /// An admin, who sees everything.
    Admin(i64),
}

/// What of all orders somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of them.
    All,
    /// Those of a user.
    Of(i64),
    /// Those of nobody.
    Nobodys,
}

impl Caller {
    /// Whose the orders are that are placed now.
    pub(crate) const fn user_id(self) -> Option<i64> {
        match self {
            Self::Anonymous => None,
            Self::User(id) | Self::Admin(id) => Some(id),
        }
    }

    /// Whether an order of that user is there, as far as the caller is concerned.
    pub(crate) fn may_see(self, owner: Option<i64>) -> bool {
        match self {
            Self::Admin(_) => true,
            Self::Anonymous | Self::User(_) => self.user_id() == owner,
        }
    }

    /// The same for a list.
    pub(crate) const fn scope(self) -> Scope {
        match self {
            Self::Anonymous => Scope::Nobodys,
            Self::User(id) => Scope::Of(id),
            Self::Admin(_) => Scope::All,
        }
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(match Principal::from_request(request, payload).into_inner() {
            Ok(principal) => id_of(&principal).map(|id| {
                if principal.has_role(Role::Admin.as_str()) { Self::Admin(id) } else { Self::User(id) }
            }),
            Err(unauthenticated) => match request.app_data::<Config>() {
                Some(config) if allows_anonymous(config) => Ok(Self::Anonymous),
                _ => Err(unauthenticated),
            },
        })
    }
}

fn allows_anonymous(config: &Config) -> bool {
    let settings = config.get::<OrderSettings>();
    settings.is_ok_and(|settings| settings.allows_anonymous(config.profile()))
}

/// The number of a user, which tokens hold as text.
pub(super) fn id_of(principal: &Principal) -> Result<i64, Problem> {
    principal.id().parse().map_err(Problem::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sees_ones_own_and_an_admin_sees_all() {
        for (caller, sees) in [
            (Caller::Anonymous, [true, false, false]),
            (Caller::User(1), [false, true, false]),
            (Caller::User(2), [false, false, true]),
            (Caller::Admin(1), [true, true, true]),
        ] {
            assert_eq!([None, Some(1), Some(2)].map(|owner| caller.may_see(owner)), sees, "{caller:?}");
        }
    }
}

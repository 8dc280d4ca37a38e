/// Stores a type as a text, in both databases: as what its `as_str` says, read again by its `of_text`. What that does not
/// know is an error that says what the database holds, e.g. `an order with the unknown status`.
macro_rules! stored_as_text {
    ($type:ty, $what:literal) => {
        impl<DB> diesel::serialize::ToSql<diesel::sql_types::Text, DB> for $type
        where
            DB: diesel::backend::Backend,
            str: diesel::serialize::ToSql<diesel::sql_types::Text, DB>,
        {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, DB>,
            ) -> diesel::serialize::Result {
                let text: &'static str = self.as_str();
                diesel::serialize::ToSql::<diesel::sql_types::Text, DB>::to_sql(text, out)
            }
        }

        impl<DB> diesel::deserialize::FromSql<diesel::sql_types::Text, DB> for $type
        where
            DB: diesel::backend::Backend,
            String: diesel::deserialize::FromSql<diesel::sql_types::Text, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                let text =
                    <String as diesel::deserialize::FromSql<diesel::sql_types::Text, DB>>::from_sql(bytes)?;
                Self::of_text(&text)
                    .ok_or_else(|| format!(concat!("the database holds ", $what, " `{}`"), text).into())
            }
        }
    };
}

pub(crate) use stored_as_text;

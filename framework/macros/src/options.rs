use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitBool, LitStr, Token, parenthesized};

const KNOWN: &str =
    "use `name = \"…\"`, `kind = \"client\"`, `fields(key = value)`, `args(argument)` or `error = false`";

/// What stands in the brackets of `#[traced(…)]`.
#[derive(Default)]
pub(crate) struct Options {
    /// A string or a constant. Default: the function's name.
    pub(crate) name: Option<Expr>,
    /// A variant of OpenTelemetry's `SpanKind`. Default `Internal`.
    pub(crate) kind: Option<Ident>,
    pub(crate) fields: Vec<Field>,
    /// Whether an `Err` is left alone.
    pub(crate) ignore_errors: bool,
}

/// One attribute of the span.
pub(crate) struct Field {
    pub(crate) key: LitStr,
    pub(crate) show: Show,
    pub(crate) value: Expr,
}

/// How a value is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    AsItIs,
    Display,
    Debug,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            if let Ok(name) = input.fork().parse::<LitStr>() {
                let advice = format!("a span's name is given as `name = {:?}`", name.value());
                return Err(input.error(advice));
            }
            let option = input.call(Ident::parse_any)?;
            if seen.contains(&option) {
                return Err(Error::new(option.span(), format!("`{option}` is given twice")));
            }
            options.parse_one(&option, input)?;
            seen.push(option);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn parse_one(&mut self, option: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match option.to_string().as_str() {
            "name" => {
                input.parse::<Token![=]>()?;
                self.name = Some(name(input.parse()?)?);
            }
            "kind" => {
                input.parse::<Token![=]>()?;
                self.kind = Some(kind(&input.parse()?)?);
            }
            "fields" => self.fields.extend(listed(input, Field::keyed)?),
            "args" => self.fields.extend(listed(input, Field::argument)?),
            "error" => {
                input.parse::<Token![=]>()?;
                self.ignore_errors = !input.parse::<LitBool>()?.value;
            }
            "skip" | "skip_all" => {
                let advice =
                    format!("`{option}` is not needed: no argument is recorded but those named in `args`");
                return Err(Error::new(option.span(), advice));
            }
            _ => return Err(Error::new(option.span(), format!("unknown option `{option}`: {KNOWN}"))),
        }
        Ok(())
    }
}

fn listed(
    input: ParseStream<'_>,
    one: fn(ParseStream<'_>) -> syn::Result<Field>,
) -> syn::Result<Punctuated<Field, Token![,]>> {
    let inside;
    parenthesized!(inside in input);
    inside.parse_terminated(one, Token![,])
}

/// A name that is made anew for each call would be a new one for each call.
fn name(given: Expr) -> syn::Result<Expr> {
    match &given {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value().is_empty() => {
            Err(Error::new_spanned(given, "a span's name has at least one character"))
        }
        Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) | Expr::Path(_) => Ok(given),
        _ => Err(Error::new_spanned(
            given,
            "a span's name is a string or a constant, so that there are few of them: what differs from call to \
             call belongs in `fields`",
        )),
    }
}

fn kind(given: &LitStr) -> syn::Result<Ident> {
    let variant = match given.value().as_str() {
        "internal" => "Internal",
        "server" => "Server",
        "client" => "Client",
        "producer" => "Producer",
        "consumer" => "Consumer",
        other => {
            let advice =
                format!("`{other}` is no kind of span: use internal, server, client, producer or consumer");
            return Err(Error::new(given.span(), advice));
        }
    };
    Ok(Ident::new(variant, Span::call_site()))
}

impl Field {
    /// `order.id = order.id`, `"order.id" = order.id`, `order.amount = %order.amount`.
    fn keyed(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = if input.peek(LitStr) { input.parse()? } else { dotted(input)? };
        if !input.peek(Token![=]) {
            return Err(
                input.error("a field has a value: `key = value`; an argument by its own name goes in `args`")
            );
        }
        input.parse::<Token![=]>()?;
        Ok(Self { key, show: Show::parse(input)?, value: input.parse()? })
    }

    /// `order_id`, `%amount`.
    fn argument(input: ParseStream<'_>) -> syn::Result<Self> {
        let show = Show::parse(input)?;
        let Ok(argument) = input.parse::<Ident>() else {
            return Err(
                input.error("`args` takes names of arguments: for a part of one use `fields(key = value)`")
            );
        };
        let key = LitStr::new(&argument.unraw().to_string(), argument.span());
        Ok(Self { key, show, value: syn::parse_quote!(#argument) })
    }
}

/// `http.response.status_code`: words, keywords among them, with dots between.
fn dotted(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let words = Punctuated::<Ident, Token![.]>::parse_separated_nonempty_with(input, Ident::parse_any)?;
    let text: Vec<_> = words.iter().map(|word| word.unraw().to_string()).collect();
    Ok(LitStr::new(&text.join("."), words[0].span()))
}

impl Show {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![%]) {
            input.parse::<Token![%]>()?;
            return Ok(Self::Display);
        }
        if input.peek(Token![?]) {
            input.parse::<Token![?]>()?;
            return Ok(Self::Debug);
        }
        Ok(Self::AsItIs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: &str) -> String {
        syn::parse_str::<Options>(options).err().expect(options).to_string()
    }

    #[test]
    fn keys_are_words_with_dots_or_strings() {
        let options = "fields(order.id = order.id, r#type = %kind, \"http.2\" = ?self.0), args(%amount, id,), error = false";
        let options: Options = syn::parse_str(options).unwrap();
        let fields: Vec<_> = options.fields.iter().map(|field| (field.key.value(), field.show)).collect();
        let expected = [
            ("order.id", Show::AsItIs),
            ("type", Show::Display),
            ("http.2", Show::Debug),
            ("amount", Show::Display),
            ("id", Show::AsItIs),
        ];
        assert_eq!(fields, expected.map(|(key, show)| (key.to_owned(), show)));
        assert!(options.ignore_errors);
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        assert!(refused("level = \"debug\"").contains("unknown option `level`: use `name"));
        assert!(refused("\"checkout\"").contains("`name = \"checkout\"`"));
        assert!(refused("kind = \"worker\"").contains("use internal, server, client, producer or consumer"));
        assert!(refused("error = 7").contains("expected boolean"));
        assert!(refused("name = \"a\", name = \"b\"").contains("twice"));
    }

    #[test]
    fn a_name_is_one_of_few() {
        assert!(refused("name = format!(\"order {id}\")").contains("belongs in `fields`"));
        assert!(refused("name = \"\"").contains("at least one character"));
        assert!(syn::parse_str::<Options>("name = Self::NAME").is_ok());
    }

    #[test]
    fn arguments_are_named_and_none_has_to_be_skipped() {
        assert!(refused("skip(password)").contains("not needed"));
        assert!(refused("skip_all").contains("not needed"));
        assert!(refused("args(order.id)").contains("expected `,`"));
        assert!(refused("args(self)").contains("`fields(key = value)`"));
        assert!(refused("fields(order_id)").contains("goes in `args`"));
    }
}

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use crate::function::Function;
use crate::options::{Field, Options, Show};

/// The function with its body inside a span: begun, made current for the body, told of an `Err`, and ended where it
/// goes out of scope.
pub(crate) fn traced(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let options: Options = syn::parse2(options)?;
    let function: Function = syn::parse2(item)?;
    function.check()?;

    // Locals that the body can not see.
    let [span, output] = ["span", "output"].map(|name| Ident::new(name, Span::mixed_site()));
    let begin = begin(&options, &function);
    let run = run(&function, &span);
    let tell = (!options.ignore_errors).then(|| {
        quote! {
            {
                use ::spanbox::telemetry::outcome::*;
                (&&&&&::spanbox::telemetry::outcome::Outcome::new(&#span, &#output)).tell();
            }
        }
    });
    let Function { attributes, visibility, signature, inner, .. } = &function;
    Ok(quote! {
        #(#attributes)*
        #visibility #signature {
            #(#inner)*
            let #span = #begin;
            let #output = #run;
            #tell
            #output
        }
    })
}

fn begin(options: &Options, function: &Function) -> TokenStream {
    let name = match &options.name {
        Some(name) => quote!(#name),
        None => {
            let name = syn::ext::IdentExt::unraw(&function.signature.ident).to_string();
            quote!(#name)
        }
    };
    let kind = options.kind.clone().unwrap_or_else(|| Ident::new("Internal", Span::call_site()));
    let fields = options.fields.iter().map(field);
    quote! {
        ::spanbox::telemetry::traced::begin(
            #name,
            ::spanbox::telemetry::traced::SpanKind::#kind,
            {
                fn here() {}
                ::core::any::type_name_of_val(&here)
            },
            || [#(#fields),*],
        )
    }
}

fn field(field: &Field) -> TokenStream {
    let Field { key, show, value } = field;
    let value = match show {
        Show::AsItIs => {
            quote_spanned!(value.span()=> ::spanbox::telemetry::AttributeValue::attribute_value(&(#value)))
        }
        Show::Display => quote_spanned!(value.span()=> ::spanbox::telemetry::traced::displayed(&(#value))),
        Show::Debug => quote_spanned!(value.span()=> ::spanbox::telemetry::traced::debugged(&(#value))),
    };
    quote!((#key, #value))
}

/// The body's output. What the body returns, early or by `?`, has the function's type also where nothing else says so.
fn run(function: &Function, span: &Ident) -> TokenStream {
    let (body, output) = (&function.body, function.output());
    if function.signature.asyncness.is_none() {
        return quote!(#span.call(move || -> #output { #body }));
    }
    quote! {
        #span.run(async move {
            if false {
                return ::spanbox::telemetry::traced::never::<#output>();
            }
            #body
        }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(options: &str, item: &str) -> Result<String, String> {
        let options = options.parse().unwrap();
        match traced(options, item.parse().unwrap()) {
            Ok(tokens) => Ok(tokens.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn only_what_has_a_body_and_can_make_a_span_is_traced() {
        for (item, advice) in [
            ("struct Order;", "goes on a function or a method"),
            ("impl Order { fn total(&self) {} }", "goes on a function or a method"),
            ("fn total(&self) -> u32;", "put `#[traced]` on the implementations"),
            ("const fn total() {}", "trace what calls it"),
            ("extern \"C\" fn total() {}", "trace what it calls"),
            ("fn total() -> impl Future<Output = u32> + Send { async { 7 } }", "make it an `async fn`"),
            ("fn total() -> Pin<Box<dyn Future<Output = u32> + Send>> { todo() }", "make it an `async fn`"),
            ("fn total() -> actix::ResponseActFuture<Self, u32> { todo() }", "make it an `async fn`"),
        ] {
            assert!(expanded("", item).unwrap_err().contains(advice), "{item}");
        }
        for item in [
            "fn total() -> impl Iterator<Item = u32> { [7].into_iter() }",
            "fn total() -> Box<dyn Fn() -> u32> { Box::new(|| 7) }",
            "pub(crate) unsafe fn total() {}",
        ] {
            expanded("", item).expect(item);
        }
    }

    #[test]
    fn the_body_and_all_attributes_stay() {
        let item = "#[inline] fn total(n: u32) -> Result<impl Copy, Oops> { #![allow(dead_code)] Ok(n +) }";
        let tokens = expanded("error = false", item).unwrap();
        for part in [
            "# [inline] fn total (n : u32)",
            "# ! [allow (dead_code)] let",
            "Result < _ , Oops > { Ok (n +) }",
        ] {
            assert!(tokens.contains(part), "{part}: {tokens}");
        }
        assert!(!tokens.contains("Outcome"), "{tokens}");
    }
}

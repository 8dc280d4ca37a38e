use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Error, GenericArgument, PathArguments, ReturnType, Signature, Token, Type, TypeParamBound,
    Visibility, braced,
};

/// A function that has a body. The body is left as it is, so that the compiler and not this macro says what is wrong
/// in it.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// `#![…]` at the top of the body.
    pub(crate) inner: Vec<Attribute>,
    pub(crate) body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let at = input.span();
        let Ok(signature) = input.parse::<Signature>() else {
            return Err(Error::new(at, "`#[traced]` goes on a function or a method"));
        };
        if input.peek(Token![;]) {
            let advice = "there is nothing to trace without a body: put `#[traced]` on the implementations";
            return Err(Error::new_spanned(signature, advice));
        }
        let inside;
        braced!(inside in input);
        let inner = inside.call(Attribute::parse_inner)?;
        Ok(Self { attributes, visibility, signature, inner, body: inside.parse()? })
    }
}

impl Function {
    /// What no span can be made around.
    pub(crate) fn check(&self) -> syn::Result<()> {
        let signature = &self.signature;
        if let Some(constness) = &signature.constness {
            let advice = "a `const fn` can not make a span: trace what calls it";
            return Err(Error::new_spanned(constness, advice));
        }
        if let Some(abi) = &signature.abi {
            let advice = "an `extern` function is called from where there are no spans: trace what it calls";
            return Err(Error::new_spanned(abi, advice));
        }
        match &signature.output {
            ReturnType::Type(_, output) if signature.asyncness.is_none() && is_future(output) => {
                Err(Error::new_spanned(
                    output,
                    "the span would end before this future is polled: make it an `async fn`, or use \
                     `spanbox::telemetry::span(…).run(…)` in it",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The type that the body has, as far as it can be written down there.
    pub(crate) fn output(&self) -> Type {
        let mut output = match &self.signature.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, output) => Type::clone(output),
        };
        WithoutImpl.visit_type_mut(&mut output);
        output
    }
}

/// `impl Trait` is for signatures; in a body the type is inferred.
struct WithoutImpl;

impl VisitMut for WithoutImpl {
    fn visit_type_mut(&mut self, node: &mut Type) {
        if let Type::ImplTrait(_) = node {
            *node = syn::parse_quote!(_);
        }
        visit_mut::visit_type_mut(self, node);
    }
}

/// By its name: `impl Future`, `Pin<Box<dyn Future>>`, `BoxFuture`, `ResponseActFuture`.
fn is_future(output: &Type) -> bool {
    match output {
        Type::ImplTrait(future) => future.bounds.iter().any(|bound| match bound {
            TypeParamBound::Trait(bound) => last_word(&bound.path).ends_with("Future"),
            _ => false,
        }),
        Type::TraitObject(future) => future.bounds.iter().any(|bound| match bound {
            TypeParamBound::Trait(bound) => last_word(&bound.path).ends_with("Future"),
            _ => false,
        }),
        Type::Path(future) => {
            let word = last_word(&future.path);
            word.ends_with("Future") || (word == "Pin" || word == "Box") && inside(&future.path)
        }
        _ => false,
    }
}

/// Whether the type in the angle brackets is a future.
fn inside(path: &syn::Path) -> bool {
    let Some(PathArguments::AngleBracketed(arguments)) = path.segments.last().map(|last| &last.arguments)
    else {
        return false;
    };
    arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Type(of) if is_future(of)))
}

fn last_word(path: &syn::Path) -> String {
    path.segments.last().map(|last| last.ident.to_token_stream().to_string()).unwrap_or_default()
}

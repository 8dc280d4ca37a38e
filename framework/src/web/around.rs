//! Middlewares of actix around all that a service answers.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

type Answer = Result<ServiceResponse<BoxBody>, Error>;

/// What a middleware of a whole service surrounds: hooks and handler, whatever their types.
#[derive(Clone)]
pub struct Inner(Rc<dyn Call>);

/// A service of actix without its type.
trait Call {
    fn call(&self, request: ServiceRequest) -> LocalBoxFuture<'static, Answer>;
}

impl Service<ServiceRequest> for Inner {
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Answer>;

    actix_web::dev::always_ready!();

    fn call(&self, request: ServiceRequest) -> Self::Future {
        self.0.call(request)
    }
}

impl Inner {
    pub(super) fn new<F, Fut>(call: F) -> Self
    where
        F: Fn(ServiceRequest) -> Fut + 'static,
        Fut: Future<Output = Answer> + 'static,
    {
        struct Handled<F>(F);
        impl<F, Fut> Call for Handled<F>
        where
            F: Fn(ServiceRequest) -> Fut,
            Fut: Future<Output = Answer> + 'static,
        {
            fn call(&self, request: ServiceRequest) -> LocalBoxFuture<'static, Answer> {
                (self.0)(request).boxed_local()
            }
        }
        Self(Rc::new(Handled(call)))
    }
}

/// Puts one middleware around a service.
pub(crate) type Around = Arc<dyn Fn(Inner) -> LocalBoxFuture<'static, Result<Inner, ()>> + Send + Sync>;

/// A middleware, whatever its type.
pub(crate) fn around<T, B>(middleware: impl Fn() -> T + Send + Sync + 'static) -> Around
where
    T: Transform<Inner, ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    struct Wrapped<S>(S);
    impl<S, B> Call for Wrapped<S>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
        S::Future: 'static,
        B: MessageBody + 'static,
    {
        fn call(&self, request: ServiceRequest) -> LocalBoxFuture<'static, Answer> {
            let answer = self.0.call(request);
            async move { Ok(answer.await?.map_into_boxed_body()) }.boxed_local()
        }
    }
    Arc::new(move |inner| {
        // Boxed: a middleware is made when a worker starts, and never again.
        let made = middleware().new_transform(inner);
        async move { Ok(Inner(Rc::new(Wrapped(made.await.map_err(|_| ())?)))) }.boxed_local()
    })
}

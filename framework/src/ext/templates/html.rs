use actix_web::body::BoxBody;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, Responder};

/// A page: an answer of `text/html; charset=utf-8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html(pub String);

impl Responder for Html {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().content_type(ContentType::html()).body(self.0)
    }
}

//! `GET /websocket`: the upgrade, or why not.

use std::sync::Arc;

use actix_http::ws;
use actix_web::body::{BodyStream, BoxBody, MessageBody};
use actix_web::error::ErrorBadRequest;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::caller::{headers_as_json, parameter, socket_key};
use crate::error::ConnectError;
use crate::limit::Seat;
use crate::protocol::Version;
use crate::service::{Service, Sockets};
use crate::socket::inbox::Inbox;
use crate::socket::outbox::{Outbox, Outflow};
use crate::socket::{Link, Socket};
use crate::token::Caller;

pub(super) async fn get(
    request: HttpRequest,
    payload: Payload,
    service: Data<Service>,
) -> Result<HttpResponse, actix_web::Error> {
    let service = service.into_inner();
    let (version, caller, seat) = match admit(&request, &service) {
        Ok(admitted) => admitted,
        Err(error) => {
            service.metrics.error(error.code());
            // Clients that are refused try again at once.
            tokio::time::sleep(service.config().connect_backoff.0).await;
            return Err(error.into());
        }
    };
    let mut response = ws::handshake(request.head()).map_err(ErrorBadRequest)?;
    let outbox = Outbox::new(service.config().queue());
    let link = Link {
        outbox: Arc::clone(&outbox),
        version,
        caller,
        headers: headers_as_json(request.headers(), "x-").into(),
        service: Arc::clone(&service),
    };
    let inbox = Inbox::new(payload, service.config().max_frame.get());
    let entry = Sockets::enter(&service, &outbox);
    actix_web::rt::spawn(Socket::new(link, inbox, seat, entry).run());
    let body: BoxBody = BodyStream::new(Outflow::new(&outbox, &service.metrics)).boxed();
    Ok(response.message_body(body)?.into())
}

fn admit(request: &HttpRequest, service: &Service) -> Result<(Version, Caller, Seat), ConnectError> {
    let key = socket_key(request).ok_or(ConnectError::NoKey)?;
    let version = Version::parse(parameter(request, "vsn").as_deref()).ok_or(ConnectError::Unusable)?;
    let caller = service.tokens.key(&key).map_err(ConnectError::Token)?;
    let seat = service.counters.seat(service.config().max_sockets).ok_or(ConnectError::TooManySockets)?;
    if service.counters.joins_per_second(service.now()) >= service.config().max_joins_per_second {
        return Err(ConnectError::TooManyJoins);
    }
    Ok((version, caller, seat))
}

//! `/functions/v1/<name>`, any method and whatever follows the name.

pub(crate) mod admission;
mod invoke;

use std::sync::Arc;

use actix_web::web;
use actix_web::web::{Data, ServiceConfig};

use crate::Service;

pub(crate) fn routes(service: &Arc<Service>, cfg: &mut ServiceConfig) {
    cfg.app_data(Data::from(Arc::clone(service))).default_service(web::to(invoke::any));
}

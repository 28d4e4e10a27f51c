//! The S3 protocol, without HTTP: who signed a request, what it asks for, what its body holds, and how
//! answers are spelled.
//!
//! - [`canonical`], [`signature`], [`chunked`], [`checksum`]: AWS Signature Version 4 and the encodings of
//!   bodies, as values in and values out.
//! - [`keys`]: who may sign, and what for. [`access`]: from a signed request to a caller. A pair of keys acts in its
//!   role; a session token is a user's JWT, and that user's policies decide.
//! - [`operation`]: which operation a request asks for. What is not known is refused: a subresource that
//!   this server lacks must never be taken for the object itself.
//! - [`content`]: a body while it is read, checked against all that was promised of it. [`whole`]: the
//!   checksums of objects of parts.
//! - [`xml`], [`error`]: documents and refusals, as SDKs read them.
//! - [`multipart`]: uploads in parts, and [`tag`]: what their objects are known by. [`policy`]: what a form in a browser may upload.

pub(crate) mod access;
pub(crate) mod canonical;
pub(crate) mod checksum;
pub(crate) mod chunked;
pub(crate) mod content;
pub(crate) mod error;
pub(crate) mod keys;
pub(crate) mod multipart;
pub(crate) mod operation;
pub(crate) mod policy;
pub(crate) mod query;
pub(crate) mod signature;
pub(crate) mod tag;
pub(crate) mod whole;
pub(crate) mod xml;

//! What mails say, and how they reach a mail server.
//!
//! ```text
//! kind        the mails there are
//! wording     our own texts, in HTML and plain, as templates
//! texts       the templates in force: ours or the operator's, checked at start
//! validation  whether an address takes mail; dns asks for its domain
//! preview     a mail as it would be, with made-up data
//! letter      a mail that is written, as it waits in the outbox
//! plain       a page of HTML as plain text, for templates of the operator
//! smtp        a letter on its way to the server
//! ```

mod dns;
mod kind;
mod letter;
mod plain;
pub(crate) mod preview;
mod smtp;
mod texts;
pub(crate) mod validation;
mod wording;

pub(crate) use kind::Kind;
pub(crate) use letter::Letter;
pub(crate) use smtp::Server;
pub(crate) use texts::{Texts, refresh};

use kernel::Problem;

use crate::config::Config;

/// Everything that keeps the settings of mails from being used.
pub(crate) fn check(config: &Config) -> Vec<Problem> {
    let texts = Texts::load(config).err().unwrap_or_default();
    let server = config.email.smtp.is_used().then(|| Server::new(config).err()).flatten();
    texts.into_iter().chain(server).collect()
}

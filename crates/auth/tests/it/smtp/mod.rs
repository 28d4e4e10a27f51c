//! A mail server that takes everything down, for the service to talk to.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;

/// The authority that vouches for the server, as `localhost`.
pub const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/smtp/authority.pem");

/// How it behaves.
#[derive(Clone, Default)]
pub struct Manner {
    /// Offers STARTTLS.
    pub tls: bool,
    /// Answers every recipient so, instead of taking it.
    pub refusal: Option<&'static str>,
    /// Takes connections and says nothing.
    pub silent: bool,
}

pub struct Server {
    pub port: u16,
    mails: Mutex<UnboundedReceiver<Mail>>,
    task: tokio::task::JoinHandle<()>,
}

/// A mail as it came.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub encrypted: bool,
    /// What `AUTH PLAIN` said, decoded.
    pub login: String,
    pub source: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(manner: Manner) -> Self {
        Self::at(0, manner).await
    }

    /// On a port of the caller's choice; 0 for any.
    pub async fn at(port: u16, manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, mails) = unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, manner) = (sender.clone(), manner.clone());
                tokio::spawn(async move {
                    let mut mail = Mail::default();
                    if manner.silent {
                        std::future::pending::<()>().await;
                    }
                    let mut stream = BufReader::new(stream);
                    let _ = stream.write_all(b"220 test ESMTP\r\n").await;
                    if converse(&mut stream, &manner, &mut mail, &sender).await == Next::Tls {
                        let mut stream =
                            BufReader::new(acceptor().accept(stream.into_inner()).await.unwrap());
                        mail.encrypted = true;
                        converse(&mut stream, &manner, &mut mail, &sender).await;
                    }
                });
            }
        });
        Self { port, mails: Mutex::new(mails), task }
    }

    /// The next mail.
    pub async fn mail(&self) -> Mail {
        let mut mails = self.mails.lock().await;
        tokio::time::timeout(Duration::from_secs(20), mails.recv()).await.expect("a mail arrives").unwrap()
    }

    /// A mail that is here already.
    pub async fn waiting(&self) -> Option<Mail> {
        self.mails.lock().await.try_recv().ok()
    }
}

fn acceptor() -> TlsAcceptor {
    let pem = include_bytes!("server.pem");
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

#[derive(PartialEq)]
enum Next {
    End,
    Tls,
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    manner: &Manner,
    mail: &mut Mail,
    sender: &UnboundedSender<Mail>,
) -> Next {
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return Next::End;
        }
        let said = line.trim_end();
        let verb = said.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" if manner.tls && !mail.encrypted => "250-test\r\n250-STARTTLS\r\n250 8BITMIME",
            "EHLO" => "250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME",
            "STARTTLS" if manner.tls => {
                let _ = stream.write_all(b"220 go\r\n").await;
                return Next::Tls;
            }
            "AUTH" => {
                mail.login = decode(said.rsplit(' ').next().unwrap_or_default());
                "235 welcome"
            }
            "MAIL" => {
                mail.from = said.to_owned();
                mail.to.clear();
                "250 ok"
            }
            "RCPT" => match manner.refusal {
                Some(refusal) => refusal,
                None => {
                    mail.to.push(said.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
                    "250 ok"
                }
            },
            "DATA" => {
                let _ = stream.write_all(b"354 go ahead\r\n").await;
                mail.source.clear();
                loop {
                    line.clear();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                        return Next::End;
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    mail.source.push_str(line.strip_prefix('.').unwrap_or(&line));
                }
                let _ = sender.send(mail.clone());
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() || verb == "QUIT" {
            return Next::End;
        }
    }
}

fn decode(text: &str) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0_u32;
    let mut have = 0;
    let mut out = Vec::new();
    for letter in text.bytes().filter(|b| *b != b'=') {
        bits = bits << 6 | letters.iter().position(|l| *l == letter).unwrap() as u32;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Mail {
    /// A header; its lines as one.
    pub fn header(&self, name: &str) -> String {
        let (headers, _) = self.source.split_once("\r\n\r\n").unwrap();
        let headers = headers.replace("\r\n ", " ");
        let found = headers.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_default().to_owned()
    }

    /// The part of this type, decoded.
    fn part(&self, kind: &str) -> String {
        let start = self.source.find(&format!("Content-Type: {kind}")).expect("the part is there");
        let (headers, body) = self.source[start..].split_once("\r\n\r\n").unwrap();
        let body = body.split("\r\n--").next().unwrap();
        match headers.contains("quoted-printable") {
            true => quoted_printable(body),
            false if headers.contains("base64") => decode(&body.replace("\r\n", "")),
            false => body.replace("\r\n", "\n"),
        }
    }

    pub fn text(&self) -> String {
        self.part("text/plain").replace("\r\n", "\n")
    }

    pub fn html(&self) -> String {
        self.part("text/html").replace("\r\n", "\n")
    }

    /// The link in the text.
    pub fn link(&self) -> String {
        let text = self.text();
        text.split_whitespace().find(|word| word.contains("/verify?")).expect("there is a link").to_owned()
    }

    /// The code in the text.
    pub fn code(&self) -> String {
        let text = self.text();
        let code = |word: &&str| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit());
        text.split_whitespace().find(code).expect("there is a code").to_owned()
    }
}

fn quoted_printable(body: &str) -> String {
    let joined = body.replace("=\r\n", "");
    let mut out = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match (first, tail.get(..2)) {
            (b'=', Some(hex)) => {
                out.push(u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

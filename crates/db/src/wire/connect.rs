//! From an address to a session: socket, TLS, login. Who logs in and how is the driver's business
//! (`tokio_postgres::Config::connect_raw`); the socket it did that on is ours again afterwards.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_postgres::config::{Host, SslMode, SslNegotiation};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Config, NoTls};

use super::socket::{Lent, Socket};
use crate::error::with_causes;
use crate::{Error, Target};

/// One server of those that a target may name: a failed login or a cancelled statement concerns it
/// and no other.
#[derive(Clone, Debug)]
enum Place {
    Unix(PathBuf),
    Tcp { address: SocketAddr, name: String },
}

/// What asks the server to give up the statement of a connection.
pub(super) struct Cancel {
    target: Target,
    place: Place,
    token: CancelToken,
}

/// A socket on which a session has begun.
pub(super) async fn connect(target: &Target) -> Result<(Socket, Cancel), Error> {
    let mut failure = None;
    for place in places(target.config()).await? {
        match log_in(target, Lent::new(dial(target, &place).await?)).await {
            Ok((socket, token)) => return Ok((socket, Cancel { target: target.clone(), place, token })),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::Connect("no address".to_owned())))
}

/// A socket on which a session of the replication protocol has begun.
pub(crate) async fn log_in_to_replicate(target: &Target) -> Result<Socket, Error> {
    let mut failure = None;
    for place in places(target.config()).await? {
        let lent = Lent::to_replicate(dial(target, &place).await?);
        match log_in(target, lent).await {
            Ok((socket, _)) => return Ok(socket),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::Connect("no address".to_owned())))
}

impl Cancel {
    /// Sends the request; the server does not say what became of it.
    pub(super) async fn send(self) -> Result<(), Error> {
        let socket = dial(&self.target, &self.place).await?;
        Ok(self.token.cancel_query_raw(socket, NoTls).await?)
    }
}

/// The servers to try, in the order in which they are named.
async fn places(config: &Config) -> Result<Vec<Place>, Error> {
    let ports = config.get_ports();
    let port_of = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let mut places = Vec::new();
    for index in 0..hosts.len().max(addresses.len()) {
        let port = port_of(index);
        match (hosts.get(index), addresses.get(index)) {
            (Some(Host::Unix(directory)), _) => {
                places.push(Place::Unix(directory.join(format!(".s.PGSQL.{port}"))));
            }
            (Some(Host::Tcp(name)), Some(address)) => places.push(tcp(*address, port, name)),
            (None, Some(address)) => places.push(tcp(*address, port, &address.to_string())),
            (Some(Host::Tcp(name)), None) => {
                let found = lookup_host((name.as_str(), port)).await.map_err(|error| unreachable(&error))?;
                places.extend(found.map(|address| Place::Tcp { address, name: name.clone() }));
            }
            (None, None) => {}
        }
    }
    Ok(places)
}

fn tcp(address: IpAddr, port: u16, name: &str) -> Place {
    Place::Tcp { address: SocketAddr::new(address, port), name: name.to_owned() }
}

fn unreachable(error: &dyn std::error::Error) -> Error {
    Error::Connect(with_causes(error))
}

async fn log_in(target: &Target, socket: Lent) -> Result<(Socket, CancelToken), Error> {
    let mut config = target.config().clone();
    // Encrypted or not, it is so already.
    config.ssl_mode(SslMode::Disable);
    let (client, connection) =
        config.connect_raw(socket.clone(), NoTls).await.map_err(|error| match error.as_db_error() {
            Some(_) => Error::from(error),
            None => Error::Connect(with_causes(&error)),
        })?;
    let token = client.cancel_token();
    drop((client, connection));
    Ok((socket.back().ok_or(Error::Closed)?, token))
}

/// A stream to the server, encrypted where the target says so.
async fn dial(target: &Target, place: &Place) -> Result<Socket, Error> {
    match place {
        Place::Unix(path) => {
            Ok(Socket::Unix(UnixStream::connect(path).await.map_err(|error| unreachable(&error))?))
        }
        Place::Tcp { address, name } => {
            let stream = open(target.config(), *address).await.map_err(|error| unreachable(&error))?;
            encrypted(target, stream, name).await
        }
    }
}

async fn open(config: &Config, address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    if config.get_keepalives() {
        let mut alive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
        if let Some(interval) = config.get_keepalives_interval() {
            alive = alive.with_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            alive = alive.with_retries(retries);
        }
        socket.set_tcp_keepalive(&alive)?;
    }
    Ok(stream)
}

async fn encrypted(target: &Target, mut stream: TcpStream, name: &str) -> Result<Socket, Error> {
    let config = target.config();
    if config.get_ssl_mode() == SslMode::Disable {
        return Ok(Socket::Tcp(stream));
    }
    if config.get_ssl_negotiation() == SslNegotiation::Postgres {
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        stream.write_all(&request).await.map_err(|error| unreachable(&error))?;
        let answer = stream.read_u8().await.map_err(|error| unreachable(&error))?;
        if answer != b'S' {
            return match config.get_ssl_mode() {
                SslMode::Prefer => Ok(Socket::Tcp(stream)),
                _ => Err(Error::Connect("the server does not support TLS".to_owned())),
            };
        }
    }
    let mut tls = target.tls()?;
    let tls = <_ as MakeTlsConnect<TcpStream>>::make_tls_connect(&mut tls, name);
    let tls = tls.map_err(|error| unreachable(&error))?;
    let stream = tls.connect(stream).await.map_err(|error| unreachable(&error))?;
    Ok(Socket::Tls(Box::new(stream)))
}

//! Starts a cluster, says so on standard output, and holds it until it is killed or standard input ends: for the tests
//! that kill it, and for a look around.
//!
//! `cargo run -p cluster --example hold -- DATA_DIR`

use std::{
    env,
    error::Error,
    io::{Read, Write, stdin, stdout},
};

use cluster::{Cluster, Options, State};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let data_dir = env::args_os().nth(1).ok_or("usage: hold DATA_DIR")?;
    let cluster = Cluster::start(Options::new(data_dir)).await?;
    if let State::Running { pid } = *cluster.state().borrow() {
        writeln!(stdout(), "{pid} {}", cluster.socket_dir().display())?;
    }
    tokio::task::spawn_blocking(|| stdin().read_to_end(&mut Vec::new())).await??;
    cluster.stop().await?;
    Ok(())
}

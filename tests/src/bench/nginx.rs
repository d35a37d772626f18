//! The nginx servers of a run: each serves the original on a port of its own, by `sendfile`.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Result, bail};
use rustix::process::geteuid;

use super::bench_setup::BenchSetup;
use super::interrupt;
use super::senders::Senders;
use crate::free_port::free_port;

/// Starts so many servers of the original.
pub(super) fn start(stage: &BenchSetup, count: usize) -> Result<Senders> {
    let mut senders = Senders::default();
    for number in 0..count {
        let (home, own) = (
            stage.sender_folder("nginx", number)?,
            stage.private_folder("nginx", &format!("state-{number}"))?,
        );
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let place = own.join("nginx.conf");
        fs::write(&place, configuration(&home, &own, address))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&own).arg("-c").arg(&place).arg("-e").arg(own.join("error.log"));
        senders.start(command)?;
        senders.addresses.push(address);
        let listens = interrupt::wait(stage.limit, |slice| {
            thread::sleep(slice / 10);
            TcpStream::connect(address).ok()
        })?;
        if listens.is_none() {
            bail!("nginx does not start: {}", fs::read_to_string(own.join("error.log")).unwrap_or_default());
        }
    }
    Ok(senders)
}

/// Writes the configuration of a server of what lies in `sender_folder`, which keeps what it needs in `own`.
pub(super) fn configuration(home: &Path, own: &Path, address: SocketAddr) -> String {
    // Workers of a server that root starts belong to somebody who may not read the folder.
    let user = if geteuid().is_root() { "user root;" } else { "" };
    let own = own.display();
    format!(
        "daemon off; {user} worker_processes auto; pid {own}/pid;
        events {{ worker_connections 1024; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
            keepalive_requests 1000000; keepalive_timeout 60s; open_file_cache max=2000;
            client_body_temp_path {own}/body; proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/fastcgi;
            uwsgi_temp_path {own}/uwsgi; scgi_temp_path {own}/scgi;
            server {{ listen {address}; root {}; }}
        }}\n",
        home.display()
    )
}

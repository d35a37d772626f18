//! The nginx servers of a run. Each serves the original with `sendfile` on its own port.

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

/// Starts `count` servers of the original.
pub(super) fn start(setup: &BenchSetup, count: usize) -> Result<Senders> {
    let mut senders = Senders::default();
    for number in 0..count {
        let (folder, own) = (
            setup.sender_folder("nginx", number)?,
            setup.private_folder("nginx", &format!("state-{number}"))?,
        );
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let config_path = own.join("nginx.conf");
        fs::write(&config_path, configuration(&folder, &own, address))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&own).arg("-c").arg(&config_path).arg("-e").arg(own.join("error.log"));
        senders.start(command)?;
        senders.addresses.push(address);
        let listens = interrupt::wait(setup.limit, |slice| {
            thread::sleep(slice / 10);
            TcpStream::connect(address).ok()
        })?;
        if listens.is_none() {
            bail!("nginx does not start: {}", fs::read_to_string(own.join("error.log")).unwrap_or_default());
        }
    }
    Ok(senders)
}

/// Returns the configuration of a server of the folder `folder`; the server keeps its own files in `own`.
pub(super) fn configuration(folder: &Path, own: &Path, address: SocketAddr) -> String {
    // Started by root, nginx runs its workers as a user who may not read the folder.
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
        folder.display()
    )
}

//! The thread that carries packets between devices.

use std::num::NonZeroU64;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::setpriority_process;
use rustix::thread::{gettid, set_current_timer_slack};
use tun_rs::SyncDevice;

use super::emulator::Emulator;
use super::meter::LineMeter;

/// Maximum sleep of the thread, so that it stops soon after a request.
const MAX_SLEEP: Duration = Duration::from_millis(20);

/// Time for which packets are collected and then carried together, since a wakeup costs more than carrying a packet.
const BATCH_INTERVAL: Duration = Duration::from_micros(100);

/// Maximum number of packets read from one device before the other devices and due packets get their turn.
const MAX_BATCH: usize = 256;

/// The longest packet that a device passes on, in bytes.
const BUFFER_SIZE: usize = 64 << 10;

/// Real-time priority: a packet that waits for the CPU looks like one on a longer line.
const REAL_TIME_PRIORITY: &str = "10";

/// Nice value if real-time priority is unavailable.
const FALLBACK_NICE: i32 = -15;

/// The running thread; it stops when this is dropped.
#[derive(Debug)]
pub(super) struct Carrier {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Carrier {
    /// Starts carrying packets between devices, which are in the order of the emulator's hosts.
    pub(super) fn start(emulator: Emulator, devices: Vec<SyncDevice>, meter: Arc<LineMeter>) -> Result<Self> {
        for device in &devices {
            device.set_nonblocking(true).context("cannot make a device non-blocking")?;
        }
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let thread = thread::Builder::new().name("long-lines".into()).spawn(move || {
            raise_priority();
            CarrierLoop { emulator, devices, meter, start: Instant::now() }.run(&stop);
        })?;
        Ok(Self { stopped: ended, thread: Some(thread) })
    }

    /// Returns true if the thread is running.
    pub(super) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // A panicked thread has already printed its message.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Raises the priority of this thread above the programs under test. Without priority the lines are less exact; the meter shows
/// by how much.
fn raise_priority() {
    // Timers otherwise fire up to 50 µs late.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let thread = gettid();
    let number = thread.as_raw_nonzero().to_string();
    let change = Command::new("chrt").args(["--fifo", "--pid", REAL_TIME_PRIORITY, &number]).output();
    if !change.is_ok_and(|output| output.status.success()) {
        let _ = setpriority_process(Some(thread), FALLBACK_NICE);
    }
}

struct CarrierLoop {
    emulator: Emulator,
    devices: Vec<SyncDevice>,
    meter: Arc<LineMeter>,
    start: Instant,
}

impl CarrierLoop {
    fn run(&mut self, ended: &AtomicBool) {
        let mut buffer = vec![0; BUFFER_SIZE];
        while !ended.load(Ordering::Relaxed) {
            for host in self.wait_for_packets() {
                self.read_packets(host, &mut buffer);
            }
            self.deliver_due();
            if self.emulator.next_event_time().is_some() {
                thread::sleep(BATCH_INTERVAL);
            }
        }
    }

    /// Sleeps until a device has a packet or a packet arrives. Returns the hosts whose devices have packets.
    fn wait_for_packets(&self) -> Vec<usize> {
        let next = self.emulator.next_event_time().map(|at| at.saturating_sub(self.start.elapsed()));
        let wait = next.unwrap_or(MAX_SLEEP).min(MAX_SLEEP);
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let mut polled: Vec<_> =
            self.devices.iter().map(|device| PollFd::new(device, PollFlags::IN)).collect();
        // The loop repeats an interrupted wait.
        let _ = poll(&mut polled, Some(&wait));
        let is_ready = |(host, polled): (usize, &PollFd)| (!polled.revents().is_empty()).then_some(host);
        polled.iter().enumerate().filter_map(is_ready).collect()
    }

    fn read_packets(&mut self, host: usize, buffer: &mut [u8]) {
        for _ in 0..MAX_BATCH {
            let Ok(length) = self.devices[host].recv(buffer) else { return };
            self.emulator.send(self.start.elapsed(), host, &buffer[..length]);
        }
    }

    fn deliver_due(&mut self) {
        while let Some(arrival) = self.emulator.next_arrival(self.start.elapsed()) {
            let late = self.start.elapsed().saturating_sub(arrival.at);
            self.meter.record_delivery(arrival.from, arrival.to, arrival.bytes.len(), late);
            // A packet that the receiving system refuses is lost, as on any line.
            let _ = self.devices[arrival.to].send(&arrival.bytes);
        }
    }
}

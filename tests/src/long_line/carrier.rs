//! The thread that carries packets from device to device.

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

/// How long the thread sleeps at most, so that it ends soon after it is asked to.
const MAX_SLEEP: Duration = Duration::from_millis(20);

/// How long packets are collected before they are carried together: waking for each one costs more than carrying it.
const BATCH_INTERVAL: Duration = Duration::from_micros(100);

/// Packets read from one device before the others and what is due get their turn.
const MAX_BATCH: usize = 256;

/// As long as the longest packet that a device passes on.
const BUFFER_SIZE: usize = 64 << 10;

/// A real-time priority: a packet that waits for a processor looks like one on a longer line.
const REAL_TIME_PRIORITY: &str = "10";

/// The priority where there is no real time.
const FALLBACK_NICE: i32 = -15;

/// The running thread; ends when dropped.
#[derive(Debug)]
pub(super) struct Carrier {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Carrier {
    /// Starts to carry packets between devices, in the order of the emulator's hosts.
    pub(super) fn start(emulator: Emulator, devices: Vec<SyncDevice>, meter: Arc<LineMeter>) -> Result<Self> {
        for device in &devices {
            device.set_nonblocking(true).context("cannot make a device non-blocking")?;
        }
        let ended = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&ended);
        let thread = thread::Builder::new().name("long-lines".into()).spawn(move || {
            raise_priority();
            CarrierLoop { emulator, devices, meter, start: Instant::now() }.run(&asked);
        })?;
        Ok(Self { stopped: ended, thread: Some(thread) })
    }

    /// Returns true if the thread has not ended.
    pub(super) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // One that has panicked has printed why.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Puts this thread ahead of the programs under test. Without that the lines are less exact, which is measured.
fn raise_priority() {
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

    /// Sleeps until a device has a packet or one arrives, and returns the hosts whose devices have some.
    fn wait_for_packets(&self) -> Vec<usize> {
        let next = self.emulator.next_event_time().map(|at| at.saturating_sub(self.start.elapsed()));
        let wait = next.unwrap_or(MAX_SLEEP).min(MAX_SLEEP);
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let mut polled: Vec<_> =
            self.devices.iter().map(|device| PollFd::new(device, PollFlags::IN)).collect();
        // An interrupted wait is repeated by the loop.
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
            // A packet that the receiver's system does not take is lost, as on any line.
            let _ = self.devices[arrival.to].send(&arrival.bytes);
        }
    }
}

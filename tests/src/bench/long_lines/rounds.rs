//! All runs of a cell, in turn.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::super::interrupt;
use super::super::machine::Processors;
use super::cell::Cell;
use super::contender::Contender;
use super::options::Options;
use super::result::{Measured, Run, Series};
use super::scene::Scene;
use crate::programs::Programs;

/// Lets each contender that takes part in a cell run so often, in turn, each round beginning with another one.
pub(super) fn measure(
    cell: Cell,
    contenders: &[Contender],
    programs: &Programs,
    dir: &Path,
    runs: u16,
    options: &Options,
) -> Result<Measured> {
    let scene = Scene::set(cell, programs, dir)?;
    let taking_part = contenders.iter().filter(|contender| contender.takes_part(cell));
    let mut all: Vec<Series> = taking_part
        .map(|contender| Series { contender: *contender, runs: Vec::new(), failures: Vec::new() })
        .collect();
    let (before, runs) = (Processors::now(), usize::from(runs));
    for round in 0..runs {
        for place in 0..all.len() {
            let turn = (place + round) % all.len();
            if is_decided(&all[turn], runs) {
                continue;
            }
            match once(&scene, all[turn].contender, options) {
                Ok(run) => all[turn].runs.push(run),
                Err(error) => {
                    interrupt::check()?;
                    scene.check()?;
                    all[turn].failures.push(format!("{error:#}"));
                }
            }
        }
    }
    Ok(Measured { all, load: load(), stolen: Processors::stolen_since(before) })
}

/// Returns true if further runs cannot change the median, because more than half of all were stopped at the limit.
fn is_decided(runs: &Series, planned: usize) -> bool {
    runs.cut() * 2 > planned
}

fn once(scene: &Scene, contender: Contender, options: &Options) -> Result<Run> {
    let folder = scene.run_folder()?;
    contender.attempt(scene, folder.path()).run(scene, folder.path(), options.limit())
}

/// Returns the machine's load over the last minute.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").into()
}

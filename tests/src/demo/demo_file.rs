use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use protocol::digest::Digest;
use protocol::escape::display_safe;

use super::demo_setup::DemoSetup;
use crate::content::{Noise, digest_of_file};

const GENERATED_NAME: &str = "random numbers.bin";
const GENERATED_SIZE: u64 = 256 << 20;
const WRITE_SIZE: usize = 4 << 20;

/// The shared file.
#[derive(Debug)]
pub(super) struct DemoFile {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

impl DemoFile {
    /// Uses the user's file, or creates one.
    pub(super) fn prepare(file: Option<PathBuf>, setup: &DemoSetup) -> Result<Self> {
        let path = match file {
            Some(file) => {
                fs::canonicalize(&file).with_context(|| format!("cannot find {}", file.display()))?
            }
            None => generate(&setup.folder().join(GENERATED_NAME), setup)?,
        };
        let about = fs::metadata(&path)?;
        if !about.is_file() {
            bail!("{} is not a file", path.display());
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("the name of {} is not UTF-8", path.display()))?.to_owned();
        if name.starts_with('.') {
            bail!("{name} is a hidden file, and peers do not share those");
        }
        setup.check()?;
        let digest = digest_of_file(&path).with_context(|| format!("cannot read {}", path.display()))?;
        setup.check()?;
        Ok(Self { path, name, size: about.len(), digest })
    }

    /// Returns the name with control characters removed.
    pub(super) fn sanitized_name(&self) -> String {
        display_safe(&self.name).into_owned()
    }

    /// Returns the search words: the letters and digits of the name.
    pub(super) fn search_words(&self) -> String {
        let words = self.name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.take(8).collect();
        if words.is_empty() { "*".into() } else { words.join(" ") }
    }

    /// Puts the file into a folder as a hard link, or as a copy if linking fails.
    pub(super) fn link_or_copy_into(&self, folder: &Path) -> Result<()> {
        let target = folder.join(&self.name);
        if fs::hard_link(&self.path, &target).is_err() {
            fs::copy(&self.path, &target).with_context(|| {
                format!(
                    "cannot copy the file to {}; set TMPDIR to a folder with more space",
                    folder.display()
                )
            })?;
        }
        Ok(())
    }
}

fn generate(path: &Path, setup: &DemoSetup) -> Result<PathBuf> {
    let (mut file, mut noise, mut chunk) = (File::create(path)?, Noise::from_seed(2026), vec![0; WRITE_SIZE]);
    for _ in 0..GENERATED_SIZE / WRITE_SIZE as u64 {
        setup.check()?;
        noise.fill(&mut chunk);
        file.write_all(&chunk).with_context(|| {
            format!("cannot write {}; set TMPDIR to a folder with more space", path.display())
        })?;
    }
    Ok(path.to_owned())
}

//! Judges the paths of a torrent's files, each alone and all together.

use super::error::{MetainfoError, PathFault};
use super::files::FileSpan;
use crate::escape::excerpt;
use crate::share_path::SharePath;

/// Joins components to a path, each of which must be a plain name.
pub(super) fn join<'a>(components: impl IntoIterator<Item = &'a str>) -> Result<SharePath, PathFault> {
    let mut path = String::new();
    for (number, component) in components.into_iter().enumerate() {
        if component.is_empty() {
            return Err(PathFault::Empty);
        }
        if component.contains('/') {
            return Err(PathFault::Separator { component: excerpt(component) });
        }
        if number > 0 {
            path.push('/');
        }
        path.push_str(component);
    }
    Ok(SharePath::try_from(path)?)
}

/// Refuses files that would be at one place, and files that are also folders. What counts is the name under which a
/// file may be created anywhere, so `a?` and `a*` are one; upper and lower case are two, as on most systems of those who
/// make torrents.
pub(super) fn refuse_collisions(files: &[FileSpan]) -> Result<(), MetainfoError> {
    let mut places: Vec<_> = (1..).zip(files).filter(|(_, file)| !file.is_padding).map(place).collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        let [(before, first), (after, second)] = pair else { continue };
        let path =
            |number: usize| files.get(number - 1).map(|file| excerpt(file.path.as_str())).unwrap_or_default();
        if before == after {
            let (file, other) = (*first.max(second), *first.min(second));
            return Err(MetainfoError::Path {
                file,
                fault: PathFault::Duplicate { path: path(file), other },
            });
        }
        if after.strip_prefix(before.as_str()).is_some_and(|rest| rest.starts_with('\0')) {
            let (file, other) = (*first, *second);
            return Err(MetainfoError::Path { file, fault: PathFault::IsFolder { path: path(file), other } });
        }
    }
    Ok(())
}

/// Returns the components behind zeros, the smallest separator there is: in order, a folder then stands directly before
/// what is in it.
fn place((number, file): (usize, &FileSpan)) -> (String, usize) {
    let mut place = String::with_capacity(file.path.as_str().len() + 1);
    for component in file.path.safe_components() {
        place.push('\0');
        place.push_str(&component);
    }
    (place, number)
}

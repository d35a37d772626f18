use crate::operations::events::StateFolderNews;

/// Returns the notice for a change of the state folder; `None` if it is not worth one.
pub(crate) fn state_folder_notice(folder: &str, news: &StateFolderNews) -> Option<String> {
    Some(match news {
        StateFolderNews::Restored => format!(
            "{folder} was removed or replaced; it was created again, and files are hashed again where needed"
        ),
        StateFolderNews::Exposed(warning) => format!("{folder}: {warning}"),
        StateFolderNews::Unusable(problem) | StateFolderNews::HashesNotStored(problem) => problem.to_string(),
        StateFolderNews::Usable => return None,
        StateFolderNews::HashesStored => format!("{folder} can be written again; hashes are stored"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::display_text::DisplayText;

    #[test]
    fn changes_of_the_state_folder_are_explained() {
        let text = |news| state_folder_notice("F", &news).unwrap();
        assert!(text(StateFolderNews::Restored).contains("F was removed or replaced"));
        assert_eq!(text(StateFolderNews::Exposed(DisplayText::new("open"))), "F: open");
        assert_eq!(text(StateFolderNews::HashesNotStored(DisplayText::new("full"))), "full");
        assert!(text(StateFolderNews::HashesStored).contains("can be written again"));
        assert_eq!(state_folder_notice("F", &StateFolderNews::Usable), None);
    }
}

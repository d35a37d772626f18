/// Returns the name with ` (number)` appended, or inserted before the extension of a file; unchanged for 0.
pub fn numbered_file_name(name: &str, number: u32, is_file: bool) -> String {
    if number == 0 {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| *dot > 0 && is_file).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    format!("{stem} ({number}){extension}")
}

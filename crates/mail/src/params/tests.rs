use super::*;

fn readings(value: &str, name: &str) -> Vec<String> {
    let value = Value::parse(value.as_bytes(), "content-type");
    value
        .readings(name)
        .into_iter()
        .map(|reading| reading.text)
        .collect()
}

fn spellings(value: &str) -> Vec<String> {
    let value = Value::parse(value.as_bytes(), "content-type");
    let spellings = value.spellings("boundary");
    spellings
        .iter()
        .map(|spelling| String::from_utf8_lossy(spelling).into_owned())
        .collect()
}

#[test]
fn the_type_is_read_through_noise() {
    for value in [
        "text/html; charset=utf-8",
        " Text/HTML ;charset=utf-8",
        "text(comment)/html",
        "text/html charset=utf-8",
        "Content-Type: text/html",
        "content-type:CONTENT-TYPE: text/html",
        "\"text/html\"",
        "te\0xt/html",
        "text/\r\n html",
    ] {
        assert_eq!(
            Value::parse(value.as_bytes(), "content-type").token,
            "text/html",
            "{value:?}"
        );
    }
}

#[test]
fn two_values_in_one_field_are_both_there() {
    let value = Value::parse(b"text/plain, multipart/mixed; boundary=b", "content-type");
    assert_eq!(value.token, "text/plain");
    assert_eq!(value.more_tokens, ["multipart/mixed"]);
}

#[test]
fn rfc_2231_sections_are_joined_in_the_order_of_their_numbers() {
    assert_eq!(readings("x/y; name*1=b; name*0=a", "name"), ["ab"]);
    assert_eq!(
        readings("x/y; name*0*=utf-8''%E2%98; name*1*=%95.txt", "name"),
        ["☕.txt"]
    );
    assert_eq!(
        readings("x/y; name*0*=iso-8859-1'de'%FC; name*1=\"%41\"", "name"),
        ["ü%41"]
    );
    assert_eq!(
        readings("x/y; name*0=a; name*0=b; name*1=c", "name"),
        ["ac"]
    );
}

#[test]
fn a_third_apostrophe_belongs_to_the_value() {
    assert_eq!(
        readings("x/y; name*=utf-8''O'Brien.txt", "name"),
        ["O'Brien.txt"]
    );
}

#[test]
fn percent_signs_that_escape_nothing_stay() {
    assert_eq!(readings("x/y; name*=utf-8''50%25%2x%", "name"), ["50%%2x%"]);
}

#[test]
fn plain_and_extended_forms_are_both_candidates() {
    assert_eq!(
        readings("x/y; name=a.pdf; name*=utf-8''b.exe", "name"),
        ["a.pdf", "b.exe"]
    );
}

#[test]
fn encoded_words_and_raw_bytes_in_names_are_decoded() {
    assert_eq!(
        readings("x/y; name=\"=?utf-8?b?w7w=?=.exe\"", "name"),
        ["ü.exe"]
    );
    let value = Value::parse(b"x/y; name=\"\xfc.exe\"", "content-type");
    assert_eq!(value.readings("name")[0].text, "ü.exe");
}

#[test]
fn a_value_on_the_next_line_is_found() {
    assert_eq!(readings("x/y; name=\r\n \"a.exe\"", "name"), ["a.exe"]);
    assert_eq!(readings("x/y; name=\"a\r\n b.exe\"", "name"), ["a b.exe"]);
}

#[test]
fn every_boundary_a_reader_might_take_is_spelled() {
    for (value, wanted) in [
        ("multipart/mixed; boundary=a", "a"),
        ("multipart/mixed; boundary=\" a\"", "a"),
        ("multipart/mixed; boundary=\" a\"", " a"),
        ("multipart/mixed; boundary=a b", "a b"),
        ("multipart/mixed; boundary=a b", "a"),
        ("multipart/mixed; boundary=a, boundary=b", "b"),
        ("multipart/mixed; boundary = a", "a"),
        ("multipart/mixed; boundary=a(comment)", "a"),
        ("multipart/mixed; boundary=a(comment)", "a(comment)"),
        ("multipart/mixed; boundary=\"a; charset=x", "a"),
        ("multipart/mixed; boundary=a\"b", "a"),
        ("multipart/mixed; boundary=\"a\\b\"", "ab"),
        ("multipart/mixed; boundary=\"a\\b\"", "a\\b"),
        (
            "multipart/mixed; boundary*0*=us-ascii''a; boundary*1=b",
            "ab",
        ),
        ("multipart/mixed; boundary*=us-ascii''a", "a"),
        ("multipart/mixed boundary=a", "a"),
        ("multipart/mixed;boundary=\r\n a", "a"),
        ("multipart/mixed; bound\0ary=a", "a"),
    ] {
        let found = spellings(value);
        assert!(
            found.iter().any(|spelling| spelling == wanted),
            "{value:?}: {wanted:?} is not in {found:?}"
        );
    }
}

#[test]
fn sections_of_one_value_count_as_one_parameter() {
    let count = |value: &str| Value::parse(value.as_bytes(), "content-type").count("boundary");
    assert_eq!(count("multipart/mixed; boundary*0=a; boundary*1=b"), 1);
    assert_eq!(count("multipart/mixed; boundary=a; boundary=b"), 2);
    assert_eq!(count("multipart/mixed (a comment); boundary=a"), 1);
}

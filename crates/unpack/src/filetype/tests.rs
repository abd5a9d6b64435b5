use std::collections::HashSet;

use super::*;

fn named(bytes: &[u8], name: &str) -> &'static str {
    detect(bytes, &[name.to_owned()]).name()
}

#[test]
fn names_of_types_and_groups_are_unique() {
    let names: HashSet<_> = FileType::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), FileType::ALL.len());
    for group in Group::ALL {
        assert!(
            FileType::ALL.iter().any(|kind| kind.group() == group),
            "{group} is empty"
        );
    }
}

#[test]
fn content_decides_and_the_name_does_not() {
    let mut pe = b"MZ".to_vec();
    pe.resize(0x3c, 0);
    pe.extend([0x40, 0, 0, 0]);
    pe.extend(b"PE\0\0");
    for (bytes, name, expected) in [
        (pe.as_slice(), "photo.jpg", "pe"),
        (b"MZ\x90\0\x03\0\0\0", "x.txt", "mz"),
        (b"\x7fELF\x02\x01\x01\0", "a.js", "elf"),
        (b"junk before\n%PDF-1.7\n", "a.txt", "pdf"),
        (b"\x1f\x8b\x08\0", "a.doc", "gzip"),
        (b"Rar!\x1a\x07\x01\0", "a.zip", "rar"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "", "7z"),
        (b"{\\rtf1\\ansi", "a.doc", "rtf"),
        (b"\x89PNG\r\n\x1a\n\0\0", "", "png"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "", "class"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", "", "macho"),
        (b"", "a.exe", "empty"),
        (b"\0\x01\x02\x03\x80\x81", "a.js", "data"),
    ] {
        assert_eq!(named(bytes, name), expected, "{name}");
    }
}

#[test]
fn the_name_refines_text() {
    for (text, name, expected) in [
        ("hello", "a.txt", "text"),
        ("hello", "a.js", "js"),
        ("hello", "a.JS . ", "js"),
        ("calc", "invoice.pdf.vbs", "vbs"),
        ("hello", "", "text"),
        ("http://example.com/", "a.iqy", "iqy"),
        ("MZ is how programs begin", "a.txt", "mz"),
    ] {
        assert_eq!(named(text.as_bytes(), name), expected, "{text} {name}");
    }
    let both = ["report.txt".to_owned(), "report.js".to_owned()];
    assert_eq!(
        detect(b"hello", &both),
        FileType::Js,
        "the most dangerous candidate counts"
    );
}

#[test]
fn text_is_typed_by_what_stands_in_it() {
    for (text, expected) in [
        ("<!DOCTYPE html><p>x", "html"),
        ("  \n<HTML><body>", "html"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><a/></svg>", "svg"),
        ("<?xml version='1.0'?><x/>", "xml"),
        (
            "<?xml version='1.0'?><job><script language='JScript'/></job>",
            "wsf",
        ),
        ("[InternetShortcut]\r\nURL=http://example.com/", "url"),
        ("BEGIN:VCALENDAR\r\n", "ics"),
        ("#!/usr/bin/env python3\nimport os", "python"),
        ("#!/bin/sh\nls", "shell"),
        ("@echo off\r\ncalc", "batch"),
        (
            "Dim x\nSet x = CreateObject(\"WScript.Shell\")\nx.Run \"calc\"\nOn Error Resume Next",
            "vbs",
        ),
        ("var a = new ActiveXObject('x'); eval(function(){});", "js"),
        (
            "Received: from a by b\r\nFrom: <a@example.com>\r\n\r\nhello",
            "eml",
        ),
        (
            "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n",
            "mht",
        ),
        ("Dear all,\nsubject: nothing\n", "text"),
        ("Subject: only one field\n\nhello", "text"),
        ("we use eval( and function ( here", "text"),
    ] {
        assert_eq!(named(text.as_bytes(), ""), expected, "{text}");
    }
}

#[test]
fn wide_text_is_text() {
    let wide: Vec<u8> = "<html><body>hello"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(named(&wide, ""), "html");
    let marked: Vec<u8> = "\u{feff}@echo off"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    assert_eq!(named(&marked, ""), "batch");
}

#[test]
fn compound_files_are_typed_by_their_streams() {
    for (stream, expected, encrypted) in [
        ("WordDocument", "doc", false),
        ("Workbook", "xls", false),
        ("__properties_version1.0", "msg", false),
        ("EncryptedPackage", "office-encrypted", true),
        ("Nothing", "ole", false),
    ] {
        let mut bytes = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
        bytes.resize(512, 0);
        bytes.extend(stream.encode_utf16().flat_map(u16::to_le_bytes));
        bytes.extend([0, 0]);
        let found = detect(&bytes, &[]);
        assert_eq!(
            (found.name(), is_encrypted(found, &bytes)),
            (expected, encrypted),
            "{stream}"
        );
    }
}

#[test]
fn signatures_are_told_from_signed_and_from_encrypted_content() {
    const OID: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    let signed = |content: &[u8]| {
        let parts = [
            b"\x30\x80",
            OID,
            b"\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80",
            OID,
            b"\x01",
            content,
        ];
        parts.concat()
    };
    for (bytes, expected, encrypted) in [
        (signed(b"\0\0"), "signature", false),
        (signed(b"\xa0\x80\x24\x80"), "pkcs7", false),
        (
            [b"\x30\x82\x01\x02", OID, b"\x03\xa0"].concat(),
            "pkcs7",
            true,
        ),
    ] {
        let found = detect(&bytes, &[]);
        assert_eq!(
            (found.name(), is_encrypted(found, &bytes)),
            (expected, encrypted)
        );
    }
}

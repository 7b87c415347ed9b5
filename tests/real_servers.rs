use crate::support::{
    Client, Gateway, TempDir, plain,
    tools::{Running, free_port, wait_listening},
};
use std::io::Write;

const MIB: usize = 1024 * 1024;
/// Empty, one byte, around a buffer's edge, and large.
const SIZES: [usize; 7] = [0, 1, 4095, 65_536, 65_537, MIB, 10 * MIB];
const VERY_LARGE: usize = 100 * MIB;

/// A block whose bytes do not repeat at any power of two, so that a shifted or swapped part shows.
fn block() -> Vec<u8> {
    (0..MIB as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn files(dir: &TempDir, sizes: &[usize]) {
    let block = block();
    for &size in sizes {
        let mut file = std::fs::File::create(dir.path(&format!("f{size}"))).unwrap();
        let mut left = size;
        while left > 0 {
            let n = left.min(MIB);
            file.write_all(&block[..n]).unwrap();
            left -= n;
        }
    }
}

/// Fetches a file on this connection and compares it as it comes.
#[track_caller]
fn fetch(client: &mut Client, size: usize) {
    client.write(format!("GET /f{size} HTTP/1.1\r\nHost: files.example\r\n\r\n"));
    let head = client.read_head().unwrap().expect("an answer");
    assert_eq!(head.status, 200, "{}", head.head.raw);
    assert_eq!(head.header("Content-Length"), Some(size.to_string()));
    let block = block();
    let mut left = size;
    while left > 0 {
        let n = left.min(MIB);
        assert!(client.read_bytes(n) == block[..n], "{size}: differs with {left} bytes left");
        left -= n;
    }
}

#[test]
fn nginx_serves_files_of_every_size_through_the_gateway() {
    let (dir, sizes) = (TempDir::new(), [&SIZES[..], &[VERY_LARGE]].concat());
    files(&dir, &sizes);
    let port = free_port();
    let root = dir.path("");
    let root = root.display();
    let conf = dir.write(
        "nginx.conf",
        &format!(
            "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n\
               access_log off; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;\n\
               uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5; client_max_body_size 0;\n\
               server {{ listen 127.0.0.1:{port}; root {root};\n\
                 location /put/ {{ dav_methods PUT; create_full_put_path on; client_body_in_file_only off; }} }}\n\
             }}\n"
        ),
    );
    let _nginx = Running::start("nginx", &["-c", conf.to_str().unwrap(), "-p", &root.to_string()]);
    wait_listening(port);
    let gateway = Gateway::start(&plain(&format!("http://127.0.0.1:{port}")));
    // One connection for all of them: every answer has to end where it ends.
    let mut client = gateway.client();
    for size in sizes {
        fetch(&mut client, size);
    }
    // What nginx says about a file arrives, and its conditional and partial answers work.
    let answer = gateway.get("/f65536", &["Range: bytes=10-19"]);
    assert_eq!((answer.status, answer.body.as_slice()), (206, &block()[10..20]));
    let tag = gateway.call("HEAD", "/f1", &[], "").header("ETag").expect("nginx sends a tag");
    assert_eq!(gateway.get("/f1", &[&format!("If-None-Match: {tag}")]).status, 304);
    assert_eq!(gateway.get("/missing", &[]).status, 404);
    // Up as well.
    let body = block();
    let put = gateway.call("PUT", "/put/up", &[], &body);
    assert!(matches!(put.status, 201 | 204), "{} {}", put.status, put.text());
    assert!(gateway.get("/put/up", &[]).body == body);
}

#[test]
fn pythons_http_server_serves_files_of_every_size_through_the_gateway() {
    // It speaks HTTP/1.0: every answer ends with its connection.
    let dir = TempDir::new();
    files(&dir, &SIZES);
    let port = free_port();
    let root = dir.path("");
    let _python = Running::start(
        "python3",
        &["-m", "http.server", "--bind", "127.0.0.1", "--directory", root.to_str().unwrap(), &port.to_string()],
    );
    wait_listening(port);
    let gateway = Gateway::start(&plain(&format!("http://127.0.0.1:{port}")));
    let mut client = gateway.client();
    for size in SIZES {
        fetch(&mut client, size);
    }
    let listing = gateway.get("/", &[]);
    assert_eq!(listing.status, 200);
    assert!(listing.text().contains("f65536"));
    assert_eq!(gateway.get("/missing", &[]).status, 404);
    assert_eq!(gateway.call("POST", "/f1", &["Content-Length: 0"], "").status, 501, "python's own answer");
}

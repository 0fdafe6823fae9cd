//! Promise 8, atomic reload: a request sees the old world or the new one; unchanged nodes keep their connections;
//! removed ones drain.
//!
//! `KETCH_TEST_RELOADS=200` (in a minute) makes the test under load as long as you like; 30 in 9 s are the default.

#[path = "../support/mod.rs"]
mod support;

mod load;
mod under_load;

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use support::fake::{Fake, echo};
use support::{Client, Ketch, Memcached, folder_of_sockets, free_port, pool, wait_for};

/// No probe comes between.
const UNPROBED: &str = "health: { probe_interval: 1h }";

#[test]
fn an_unchanged_node_keeps_its_connection_and_a_removed_one_loses_it() {
    let (stays, goes) = (Fake::start(|talk| talk.behave()), Memcached::start());
    let (both, one) = ([stays.address(), goes.address()], [stays.address()]);
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&both, UNPROBED)));
    let mut client = ketch.connect();
    ask_all(&mut client);
    assert_eq!((stays.connections(), connections(&goes)), (1, 2), "ketch's, and that of who counts them");

    // No request comes any more: the worker is told, and does not keep the last world alive.
    ketch.reconfigure(&format!("workers: 1\n{}", pool(&one, UNPROBED)));
    wait_for("the removed node to be left", || (connections(&goes) == 1).then_some(()));
    for settings in ["request_timeout: 2s", "max_inflight: 7", "coalesce: false", "reads_on_error: error"] {
        ketch.reconfigure(&format!("workers: 1\n{}", pool(&one, &format!("{UNPROBED}, {settings}"))));
        ask_all(&mut client);
    }
    assert_eq!(stays.connections(), 1);
    ketch.reconfigure(&format!("workers: 1\n{}", pool(&one, &format!("{UNPROBED}, connections: 3"))));
    ask_all(&mut client);
    wait_for("three connections in place of one", || (stays.connections() == 4).then_some(()));
}

#[test]
fn what_was_asked_of_a_node_that_goes_is_answered_by_it() {
    let (asked, hears_of_it) = mpsc::channel();
    let (go, may_answer) = mpsc::channel::<()>();
    let may_answer = Mutex::new(may_answer);
    let slow = Fake::start(move |talk| {
        while let Some(said) = talk.hear() {
            let _ = asked.send(());
            let _ = may_answer.lock().unwrap().recv();
            talk.say(echo(&said));
        }
    });
    let fast = Fake::start(|talk| talk.behave());
    let ketch = Ketch::start(&pool(&[slow.address()], UNPROBED));
    let mut client = ketch.connect();
    client.say("get before\r\nset before 0 0 1\r\nx\r\n");
    hears_of_it.recv().unwrap();

    ketch.reconfigure(&pool(&[fast.address()], UNPROBED));
    client.say("get after\r\n");
    wait_for("the new node to be asked", || (fast.heard("get after") == 1).then_some(()));
    for _ in 0..2 {
        go.send(()).unwrap();
    }
    client.expect("", "VALUE before 0 6\r\nbefore\r\nEND\r\nSTORED\r\nVALUE after 0 5\r\nafter\r\nEND\r\n");
    assert_eq!((slow.heard("get"), slow.heard("set"), fast.heard("get before")), (1, 1, 0));
}

#[test]
fn a_shorter_time_limit_holds_from_the_next_request_on() {
    let silent = Fake::start(|talk| talk.ignore());
    let config = |timeout: &str| {
        "workers: 1\n".to_owned()
            + &pool(&[silent.address()], &format!("{UNPROBED}, request_timeout: {timeout}, coalesce: false"))
    };
    let ketch = Ketch::start(&config("30s"));
    let (mut patient, mut hasty) = (ketch.connect(), ketch.connect());
    patient.say("get long\r\n");
    wait_for("the first request", || (silent.heard("get long") == 1).then_some(()));
    ketch.reconfigure(&config("100ms"));
    let begun = std::time::Instant::now();
    hasty.expect("get short\r\n", "END\r\n");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_node_that_is_out_stays_out() {
    let (well, dead) = (Memcached::start(), format!("127.0.0.1:{}", free_port()));
    let health = |attempt: u32| {
        format!("health: {{ probe_interval: 20ms, probe_timeout: 10s, eject_after: 2 }}, max_inflight: {attempt}")
    };
    let nodes = [well.address(), dead];
    let ketch = Ketch::start(&pool(&nodes, &health(1000)));
    wait_for("the ejection", || ketch.log().contains("node ejected").then_some(()));
    for attempt in 1001..1005 {
        ketch.reconfigure(&pool(&nodes, &health(attempt)));
        std::thread::sleep(Duration::from_millis(60)); // a node that began anew would be ejected anew
    }
    assert_eq!(ketch.log().matches("node ejected").count(), 1, "{}", ketch.log());
    let mut client = ketch.connect();
    for number in 0..50 {
        client.expect(format!("set k{number} 0 0 1\r\nx\r\n"), "STORED\r\n");
    }
}

#[test]
fn an_embedded_store_keeps_what_it_has() {
    let embedded = |nodes: &str, more: &str| {
        format!("{more}\npools: {{ main: {{ protocol: embedded, nodes: {nodes} }} }}\nroutes: [{{ pool: main }}]")
    };
    let ketch = Ketch::start(&embedded("[a]", ""));
    let mut client = ketch.connect();
    client.expect("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    ketch.reconfigure(&embedded("[{name: a, weight: 3}]", "limits: { connections: 99 }"));
    client.expect("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
    ketch.reconfigure(&embedded("[b]", ""));
    client.expect("get k\r\n", "END\r\n");
}

#[test]
fn limits_hold_for_the_clients_that_are_there() {
    let limited = |limits: &str| {
        let pool = "pools: { main: { protocol: embedded, nodes: [a] } }\nroutes: [{ pool: main }]";
        format!("limits: {{ {limits} }}\n{pool}")
    };
    let ketch = Ketch::start(&limited("connections: 100"));
    let (mut client, mut silent) = (ketch.connect(), ketch.connect());
    silent.expect("version\r\n", format!("VERSION {}\r\n", env!("CARGO_PKG_VERSION")));
    let value = vec![b'x'; 100_000];
    let set = [&b"set k 0 0 100000\r\n"[..], &value, b"\r\n"].concat();
    client.expect(&set, "STORED\r\n");
    ketch.reconfigure(&limited("value_size: 64KiB, connections: 2"));
    client.expect(&set, "SERVER_ERROR object too large for cache\r\n");
    let mut third = Client::connect(ketch.memcached);
    assert_eq!(third.rest(), b"ERROR Too many open connections\r\n");
    ketch.reconfigure(&limited("client_idle: 300ms"));
    assert_eq!(silent.rest(), b"");
}

#[test]
fn listeners_come_and_go_and_their_clients_stay() {
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let folder = folder_of_sockets();
    let socket = folder.path().join("s");
    let ketch = Ketch::start("pools: { main: { protocol: embedded, nodes: [a] } }");
    let listening = |on: &[String]| {
        format!(
            "pools: {{ main: {{ protocol: embedded, nodes: [a] }} }}\nlisteners: {{ memcached: {on:?}, http: [] }}\n"
        )
    };
    let first = ketch.memcached.to_string();
    let second = format!("127.0.0.1:{}", ports[1]);
    let mut stays = ketch.connect();
    ketch.reconfigure(&listening(&[first.clone(), second.clone(), format!("unix:{}", socket.display())]));
    Client::connect(second.parse().unwrap()).expect("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    assert!(std::os::unix::net::UnixStream::connect(&socket).is_ok());

    // An address that covers one that goes; the first listener is closed, and its client stays.
    ketch.reconfigure(&listening(&[format!("0.0.0.0:{}", ports[1])]));
    assert_eq!(TcpStream::connect(ketch.memcached).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(!socket.exists());
    stays.expect("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
    Client::connect(second.parse().unwrap()).expect("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");

    // One that is taken is refused, and what was there is there.
    let taken = std::net::TcpListener::bind(("127.0.0.1", ports[2])).unwrap();
    let before = ketch.reloads();
    ketch.configure(&listening(&[first, taken.local_addr().unwrap().to_string()]));
    wait_for("the refusal", || (ketch.reloads() == (before.0, before.1 + 1)).then_some(()));
    assert!(ketch.log().contains("cannot listen on"), "{}", ketch.log());
    Client::connect(second.parse().unwrap()).expect("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
    assert_eq!(TcpStream::connect(ketch.memcached).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    stays.expect("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
}

#[test]
fn the_admin_address_moves_like_any_other() {
    let pools = "pools: { main: { protocol: embedded, nodes: [a] } }\n";
    let (first, second, third) = (free_port(), free_port(), free_port());
    let config = |admin: &str, http: u16| {
        format!(
            "{pools}admin: \"{admin}\"\nlisteners: {{ memcached: [\"127.0.0.1:{third}\"], http: [\"127.0.0.1:{http}\"] }}\n"
        )
    };
    let ketch = Ketch::start(pools);
    let local = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let healthy = |address| support::http(address, "GET", "/healthz", "") == (200, "ok\n".into());
    let refused = |address| TcpStream::connect(address).unwrap_err().kind() == ErrorKind::ConnectionRefused;
    assert!(healthy(ketch.admin));

    // Who asks for it is answered, on the address that is left.
    let mut file = std::fs::read_to_string(ketch.folder.path().join("ketch.yaml")).unwrap();
    file = file.replace(&ketch.admin.to_string(), &local(first).to_string());
    let mut asks = Client::connect(ketch.admin);
    std::fs::write(ketch.folder.path().join("ketch.yaml"), file).unwrap();
    asks.say(format!("POST /reload HTTP/1.0\r\nhost: {}\r\n\r\n", ketch.admin));
    let answer = String::from_utf8(asks.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert!(healthy(local(first)) && refused(ketch.admin));

    // It takes the place of a listener that goes, and the other way round.
    ketch.reconfigure(&config(&local(first).to_string(), second));
    ketch.reconfigure(&config(&local(second).to_string(), first));
    assert!(healthy(local(second)));
    assert_eq!(support::http(local(first), "GET", "/v1/keys/k", "").0, 404);
    ketch.reconfigure(&config("off", first));
    assert!(refused(local(second)));
    assert!(!ketch.log().contains("restart ketch"), "{}", ketch.log());
}

#[test]
fn it_hears_of_a_change_however_the_file_is_written() {
    let config = |number: usize| pool(&["127.0.0.1:1".to_owned()], &format!("max_inflight: {number}"));
    let ketch = Ketch::start(&config(1));
    let folder = ketch.folder.path();
    let file = folder.join("ketch.yaml");
    let text =
        |number: usize| std::fs::read_to_string(&file).unwrap().replace("inflight: 1", &format!("inflight: {number}"));
    let original = text(1);
    let expect = |done: usize| {
        wait_for("a reload", || (ketch.reloads().0 >= done).then_some(()));
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(ketch.reloads(), (done, 0), "{}", ketch.log());
    };
    std::fs::write(&file, text(10)).unwrap(); // in place
    expect(1);
    std::fs::rename(&file, folder.join("ketch.yaml~")).unwrap(); // vim: the old one is moved away first
    std::fs::write(&file, original.replace("inflight: 1", "inflight: 11")).unwrap();
    expect(2);

    // A ConfigMap: the file is a link through `..data`, which is swapped.
    for number in [12, 13] {
        let version = folder.join(format!("..version{number}"));
        std::fs::create_dir(&version).unwrap();
        let text = original.replace("inflight: 1", &format!("inflight: {number}"));
        std::fs::write(version.join("ketch.yaml"), text).unwrap();
    }
    symlink("..version12", folder.join("..data")).unwrap();
    symlink("..data/ketch.yaml", folder.join("link")).unwrap();
    std::fs::rename(folder.join("link"), &file).unwrap();
    expect(3);
    symlink("..version13", folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    expect(4);

    // Others' files are none of its business, and a file that reads as before is no change.
    std::fs::write(folder.join("other.yaml"), "x").unwrap();
    std::fs::write(folder.join("..version13/ketch.yaml"), std::fs::read(&file).unwrap()).unwrap();
    expect(4);
    // Where the link leads now, a change in place counts too.
    std::fs::write(folder.join("..version13/ketch.yaml"), original.replace("inflight: 1", "inflight: 14")).unwrap();
    expect(5);
    ketch.process.signal("HUP");
    expect(6);
    assert!(ketch.log().contains("nothing has changed"), "{}", ketch.log());
}

#[test]
fn workers_stay_and_that_is_said() {
    let config = |workers: usize| format!("workers: {workers}\n{}", pool(&["127.0.0.1:1".to_owned()], ""));
    let ketch = Ketch::start(&config(1));
    ketch.reconfigure(&config(2));
    let said = "workers: 1 run on; restart ketch for 2";
    wait_for("it to be said", || ketch.log().contains(said).then_some(())); // in a line behind that of the reload
    ketch.connect().expect("version\r\n", format!("VERSION {}\r\n", env!("CARGO_PKG_VERSION")));
}

/// Asks for so many keys that every node is asked.
fn ask_all(client: &mut Client) {
    for number in 0..50 {
        client.say(format!("get k{number}\r\n"));
        while client.line() != "END" {}
    }
}

/// How many connections a memcached has, this one's among them.
fn connections(node: &Memcached) -> usize {
    let mut client = Client::connect(([127, 0, 0, 1], node.port).into());
    client.say("stats\r\n");
    let mut count = None;
    loop {
        let line = client.line();
        match line.strip_prefix("STAT curr_connections ") {
            Some(number) => count = number.parse::<usize>().ok(),
            None if line == "END" => break,
            None => {}
        }
    }
    count.unwrap()
}

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Answers every request with `<` and the request.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 100];
                while let Ok(count @ 1..) = client.read(&mut bytes).await {
                    client.write_all(&[b"<", &bytes[..count]].concat()).await.unwrap();
                }
            });
        }
    });
    address
}

/// The answer; `None` if the connection is cut instead.
async fn ask(connection: &mut TcpStream, request: &[u8]) -> Option<Vec<u8>> {
    connection.write_all(request).await.ok()?;
    let mut answer = vec![0; 100];
    let count = connection.read(&mut answer).await.ok().filter(|count| *count > 0)?;
    answer.truncate(count);
    Some(answer)
}

#[tokio::test]
async fn cuts_come_when_they_are_due_and_so_often() {
    let proxy = Proxy::before(&server().await).await.unwrap();
    let connect = async || TcpStream::connect(proxy.address()).await.unwrap();
    let mut connection = connect().await;
    assert_eq!(ask(&mut connection, b"a").await.unwrap(), b"<a");
    proxy.cut_all();
    assert_eq!(ask(&mut connection, b"b").await, None);

    let answered = || Cut::Answered { request: b"xy".to_vec(), ends: b"-".to_vec() };
    let cases = [
        (Cut::AfterBytes(4), "ab", "xy"),
        (Cut::Asked(b"xy".to_vec()), "ab", "-xy-"),
        (answered(), "a-", "xy-"),
        (answered(), "xy", "a-"),
    ];
    for (cut, passes, breaks) in cases {
        let (passes, breaks) = (passes.as_bytes(), breaks.as_bytes());
        proxy.cut_when(cut.clone(), 1);
        let mut connection = connect().await;
        assert!(ask(&mut connection, passes).await.is_some(), "{cut:?}");
        assert_eq!(proxy.cuts_left(), 1, "{cut:?}");
        assert_eq!(ask(&mut connection, breaks).await, None, "{cut:?}");
        assert_eq!(proxy.cuts_left(), 0, "{cut:?}");
        let mut connection = connect().await;
        for step in [passes, breaks] {
            assert!(ask(&mut connection, step).await.is_some(), "{cut:?}");
        }
    }
}

#[tokio::test]
async fn a_hole_keeps_what_it_swallows() {
    let proxy = Proxy::before(&server().await).await.unwrap();
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set_hole(true);
    connection.write_all(b"a").await.unwrap();
    let mut answer = [0; 2];
    let early = tokio::time::timeout(Duration::from_millis(100), connection.read(&mut answer));
    assert!(early.await.is_err(), "it leaks");
    proxy.set_hole(false);
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"<a");

    proxy.set_closed(true);
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut refused, b"b").await, None);
    assert_eq!(ask(&mut connection, b"c").await.unwrap(), b"<c");
}

#[tokio::test]
async fn it_takes_the_place_of_a_server_in_a_url() {
    let proxy = Proxy::before("postgres://user@127.0.0.1:77/name").await.unwrap();
    let own = proxy.address();
    assert_eq!(
        proxy.instead_of("postgres://user:pass@127.0.0.1:77/name?a=b"),
        format!("postgres://user:pass@{own}/name?a=b")
    );
    assert_eq!(proxy.instead_of("127.0.0.1:77"), own);
    assert_eq!(proxy.instead_of("http://127.0.0.1:77"), format!("http://{own}"));
}

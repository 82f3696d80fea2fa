// Networks that fail on command: between a client and the real server, and in the place of one.

import Foundation

@testable import Grandstand

/// A listener on this machine alone; each connection has a thread.
final class Listener: Sendable {
  private let descriptor: Int32
  private let open = Protected<Set<Int32>>([])
  let port: UInt16
  var url: String { "http://127.0.0.1:\(port)" }

  init(_ serve: @escaping @Sendable (Listener, Int32) -> Void) throws {
    signal(SIGPIPE, SIG_IGN)
    let listening = makeSocket()
    var address = loopback(0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listening, address, size) == 0 && listen(listening, 64) == 0 && getsockname(listening, address, &size) == 0
      }
    }
    guard bound else { throw CocoaError(.featureUnsupported) }
    descriptor = listening
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread { [weak self] in
      while true {
        let connection = accept(listening, nil, nil)
        guard connection >= 0, let self else { break }
        Thread.detachNewThread { [weak self] in
          self?.note(connection)
          if let self { serve(self, connection) } else { shutAndClose(connection) }
        }
      }
    }
  }

  func note(_ connection: Int32) { open.with { _ = $0.insert(connection) } }

  /// Ends one connection, once.
  func end(_ connection: Int32) {
    if open.with({ $0.remove(connection) }) != nil { shutAndClose(connection) }
  }

  /// Ends all connections that are there; whoever reads from one sees its end.
  func breakAll() {
    open.with { for connection in $0 { shutdown(connection, Int32(SHUT_RDWR)) } }
  }

  func close() {
    shutdown(descriptor, Int32(SHUT_RDWR))
    breakAll()
  }
}

private func shutAndClose(_ connection: Int32) {
  shutdown(connection, Int32(SHUT_RDWR))
  close(connection)
}

private func makeSocket() -> Int32 {
  #if canImport(Glibc)
    return socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  #else
    return socket(AF_INET, SOCK_STREAM, 0)
  #endif
}

private func loopback(_ port: UInt16) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = inet_addr("127.0.0.1")
  return address
}

/// Between a client and the real server.
final class FaultProxy: Sendable {
  enum Fault {
    case none

    /// The connection breaks before the server hears anything.
    case loseRequest

    /// The server does what it was asked; its answer is lost.
    case loseAnswer

    /// Nothing comes, and the connection stays.
    case stall
  }

  private struct State {
    var fault = Fault.none
    var requests = 0
  }

  private let state: Protected<State>
  private let listener: Listener
  var url: String { listener.url }
  var requests: Int { state.with { $0.requests } }

  init(to target: String) throws {
    let state = Protected(State())
    let port = UInt16(URL(string: target)?.port ?? 0)
    self.state = state
    listener = try Listener { listener, client in
      let fault = state.with { state in
        if state.fault == .loseRequest || state.fault == .stall { state.requests += 1 }
        return state.fault
      }
      if fault == .loseRequest { return listener.end(client) }
      if fault == .stall { return }
      let server = makeSocket()
      listener.note(server)
      var address = loopback(port)
      let connected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
      }
      if connected {
        Thread.detachNewThread {
          pump(from: server, into: client) { fault != .loseAnswer }
          shutdown(client, Int32(SHUT_RDWR))
        }
        pump(from: client, into: server) {
          state.with { $0.requests += 1 }
          return true
        }
      }
      listener.end(server)
      listener.end(client)
    }
  }

  func set(_ fault: Fault) {
    state.with { $0.fault = fault }
    listener.breakAll()
  }

  func close() { listener.close() }
}

/// Until there is nothing more, or what came is not to go on.
private func pump(from: Int32, into: Int32, mayGoOn: () -> Bool) {
  var buffer = [UInt8](repeating: 0, count: 64 * 1024)
  while true {
    let size = read(from, &buffer, buffer.count)
    if size <= 0 || !mayGoOn() { return }
    var sent = 0
    while sent < size {
      let wrote = buffer.withUnsafeBytes { write(into, $0.baseAddress?.advanced(by: sent), size - sent) }
      if wrote <= 0 { return }
      sent += wrote
    }
  }
}

/// Says the same to everybody.
final class CannedServer: Sendable {
  private let listener: Listener
  private let heard: Protected<[String]>
  var url: String { listener.url }

  /// What was asked.
  var requests: [String] { heard.with { $0 } }

  init(_ answer: String) throws {
    let heard = Protected<[String]>([])
    self.heard = heard
    listener = try Listener { listener, connection in
      var text = ""
      var buffer = [UInt8](repeating: 0, count: 64 * 1024)
      while !text.contains("\r\n\r\n") {
        let size = read(connection, &buffer, buffer.count)
        if size <= 0 { return listener.end(connection) }
        text += String(decoding: buffer.prefix(size), as: UTF8.self)
      }
      heard.with { [text] in $0.append(text) }
      _ = write(connection, answer, answer.utf8.count)
      listener.end(connection)
    }
  }

  func close() { listener.close() }
}

// What the rest is made of: a value behind a lock, turns, a value that is watched, and tasks that end with their client.

import Foundation

/// A value that is only ever touched under its lock.
package final class Protected<Value>: @unchecked Sendable {
  private let lock = NSLock()
  private var value: Value

  package init(_ value: Value) { self.value = value }

  package func with<Outcome>(_ work: (inout Value) throws -> Outcome) rethrows -> Outcome {
    lock.lock()
    defer { lock.unlock() }
    return try work(&value)
  }
}

/// One at a time, in the order of asking; also over what is awaited, which an actor alone is not.
package actor Turn {
  private var isTaken = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  package init() {}

  package func take() async {
    guard isTaken else {
      isTaken = true
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  package func give() {
    if waiting.isEmpty {
      isTaken = false
    } else {
      waiting.removeFirst().resume()
    }
  }
}

/// A value, and word of its changes. Whoever is slow sees the latest.
final class Observed<Value: Sendable>: Sendable {
  private struct State {
    var value: Value
    var watchers: [Int: AsyncStream<Value>.Continuation] = [:]
    var next = 0
  }

  private let state: Protected<State>

  init(_ value: Value) { state = Protected(State(value: value)) }

  var value: Value { state.with { $0.value } }

  func set(_ value: Value) {
    state.with { state in
      state.value = value
      for watcher in state.watchers.values { watcher.yield(value) }
    }
  }

  /// The value now, then after each change, until `finish` or until the caller is done.
  func values() -> AsyncStream<Value> {
    let (stream, watcher) = AsyncStream.makeStream(of: Value.self, bufferingPolicy: .bufferingNewest(1))
    let id = state.with { state in
      state.next += 1
      state.watchers[state.next] = watcher
      watcher.yield(state.value)
      return state.next
    }
    watcher.onTermination = { [weak self] _ in self?.state.with { _ = $0.watchers.removeValue(forKey: id) } }
    return stream
  }

  func finish() {
    let watchers = state.with { Array($0.watchers.values) }
    for watcher in watchers { watcher.finish() }
  }
}

/// Tasks that nobody's cancelling reaches but that of their client.
final class TaskScope: Sendable {
  private struct State {
    var isClosed = false
    var cancels: [Int: @Sendable () -> Void] = [:]
    var next = 0
  }

  private let state = Protected(State())

  var isClosed: Bool { state.with { $0.isClosed } }

  @discardableResult
  func launch<Success: Sendable>(_ work: @escaping @Sendable () async throws -> Success) -> Task<Success, any Error> {
    state.with { state in
      state.next += 1
      let id = state.next
      let task = Task.detached {
        defer { self.state.with { _ = $0.cancels.removeValue(forKey: id) } }
        return try await work()
      }
      if state.isClosed {
        task.cancel()
      } else {
        state.cancels[id] = { task.cancel() }
      }
      return task
    }
  }

  func cancel() {
    let cancels = state.with { state in
      state.isClosed = true
      return Array(state.cancels.values)
    }
    for cancel in cancels { cancel() }
  }
}

/// Waits for a task that others wait for too: a caller who is cancelled only leaves.
func outcome<Success: Sendable>(of task: Task<Success, any Error>) async throws -> Success {
  let caller = Once<Success>()
  return try await withTaskCancellationHandler {
    try await withCheckedThrowingContinuation { continuation in
      caller.wait(continuation)
      Task.detached { caller.resume(await task.result) }
    }
  } onCancel: {
    caller.resume(.failure(CancellationError()))
  }
}

/// A continuation that the first of several resumes, also before it is there.
private final class Once<Success: Sendable>: Sendable {
  private struct State {
    var continuation: CheckedContinuation<Success, any Error>?
    var result: Result<Success, any Error>?
  }

  private let state = Protected(State())

  func wait(_ continuation: CheckedContinuation<Success, any Error>) {
    let result = state.with { state in
      if state.result == nil { state.continuation = continuation }
      return state.result
    }
    if let result { continuation.resume(with: result) }
  }

  func resume(_ result: Result<Success, any Error>) {
    let continuation = state.with { state in
      guard state.result == nil else { return nil as CheckedContinuation<Success, any Error>? }
      state.result = result
      defer { state.continuation = nil }
      return state.continuation
    }
    continuation?.resume(with: result)
  }
}

private let files = DispatchQueue(label: "dev.grandstand.storage", qos: .utility, attributes: .concurrent)

/// Work that blocks its thread, on one that may be blocked.
func inBackground<Success: Sendable>(_ work: @escaping @Sendable () throws -> Success) async throws -> Success {
  try await withCheckedThrowingContinuation { continuation in
    files.async { continuation.resume(with: Result { try work() }) }
  }
}

func sleep(seconds: TimeInterval) async throws {
  try await Task.sleep(nanoseconds: UInt64(max(0, min(seconds, 1e9)) * 1e9))
}

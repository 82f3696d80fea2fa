// What the platform does for HTTP, as a sequence of parts: URLSession by its delegate, since that is how it streams on every system, Linux
// included. Whoever ends the sequence ends the request.

import Foundation

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// The beginning of an answer, as much of it as is read here.
struct Head: Sendable {
  let status: Int
  let requestId: String?
  let retryAfter: String?
  let date: String?
  let contentType: String?

  var isGood: Bool { 200..<300 ~= status }

  /// The server never redirects: this is a portal's, as in stadiums and hotels.
  var isRedirect: Bool { 300..<400 ~= status }

  var isEventStream: Bool { isGood && contentType?.lowercased().hasPrefix("text/event-stream") == true }
}

enum Part: Sendable {
  case head(Head)
  case data(Data)
}

enum Limit {
  /// Seconds for all of the answer.
  case whole(TimeInterval)

  /// Seconds without a byte.
  case silence(TimeInterval)
}

final class Transport: Sendable {
  private let delegate = Delegate()
  private let session: URLSession

  init(_ configure: (URLSessionConfiguration) -> Void) {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.httpShouldSetCookies = false
    configuration.httpCookieStorage = nil
    configuration.urlCache = nil
    configuration.requestCachePolicy = .reloadIgnoringLocalCacheData
    configuration.httpMaximumConnectionsPerHost = 32
    configure(configuration)
    session = URLSession(configuration: configuration, delegate: delegate, delegateQueue: nil)
  }

  /// The session keeps its delegate until then.
  func close() { session.invalidateAndCancel() }

  func parts(of request: URLRequest, limit: Limit) -> AsyncThrowingStream<Part, any Error> {
    var request = request
    request.timeoutInterval = 24 * 3600  // the limit below says more exactly what is meant
    let task = session.dataTask(with: request)
    let (parts, receiver) = AsyncThrowingStream.makeStream(of: Part.self)
    delegate.expect(task, receiver)
    let watch = Task.detached { [delegate] in
      let seconds = try await delegate.waitForEnd(of: task, limit: limit)
      receiver.finish(throwing: GrandstandError.timeout("No answer from \(address(of: request)) within \(seconds) s."))
    }
    receiver.onTermination = { [delegate] _ in
      watch.cancel()
      delegate.forget(task)
      task.cancel()
    }
    task.resume()
    return parts
  }
}

/// The address without a query: what stands there may be anybody's.
private func address(of request: URLRequest) -> String {
  guard let url = request.url, var parts = URLComponents(url: url, resolvingAgainstBaseURL: false) else { return "nowhere" }
  parts.query = nil
  return parts.string ?? url.path
}

func noAnswer(from request: URLRequest?, because cause: (any Error)?) -> GrandstandError {
  .network("No answer from \(request.map(address) ?? "nowhere").", cause: cause)
}

private final class Delegate: NSObject, URLSessionDataDelegate, Sendable {
  typealias Receiver = AsyncThrowingStream<Part, any Error>.Continuation

  private struct Exchange {
    let receiver: Receiver
    var heard = 0
  }

  private let exchanges = Protected<[Int: Exchange]>([:])

  func expect(_ task: URLSessionTask, _ receiver: Receiver) {
    exchanges.with { $0[task.taskIdentifier] = Exchange(receiver: receiver) }
  }

  func forget(_ task: URLSessionTask) { exchanges.with { $0[task.taskIdentifier] = nil } }

  /// Returns when the limit is reached.
  func waitForEnd(of task: URLSessionTask, limit: Limit) async throws -> TimeInterval {
    switch limit {
    case .whole(let seconds):
      try await sleep(seconds: seconds)
      return seconds
    case .silence(let seconds):
      while true {
        let before = exchanges.with { $0[task.taskIdentifier]?.heard }
        try await sleep(seconds: seconds)
        if exchanges.with({ $0[task.taskIdentifier]?.heard }) == before { return seconds }
      }
    }
  }

  private func receiver(of task: URLSessionTask) -> Receiver? {
    exchanges.with { exchanges in
      exchanges[task.taskIdentifier]?.heard += 1
      return exchanges[task.taskIdentifier]?.receiver
    }
  }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    if let response = response as? HTTPURLResponse {
      let head = Head(
        status: response.statusCode,
        requestId: response.value(forHTTPHeaderField: "x-request-id"),
        retryAfter: response.value(forHTTPHeaderField: "retry-after"),
        date: response.value(forHTTPHeaderField: "date"),
        contentType: response.value(forHTTPHeaderField: "content-type"))
      receiver(of: dataTask)?.yield(.head(head))
    }
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    receiver(of: dataTask)?.yield(.data(data))
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    let receiver = receiver(of: task)
    if let error {
      receiver?.finish(throwing: noAnswer(from: task.originalRequest, because: error))
    } else {
      receiver?.finish()
    }
  }

  /// What says "elsewhere" is an answer like any other: no token goes to an address that it names.
  func urlSession(
    _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest, completionHandler: @escaping (URLRequest?) -> Void
  ) {
    completionHandler(nil)
  }
}

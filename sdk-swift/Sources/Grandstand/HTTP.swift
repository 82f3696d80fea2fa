// Requests to one server: as JSON, again where that is harmless, and no token to any other host.

import Foundation

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

private let longestWait: TimeInterval = 10

/// The server says something every 15 seconds.
private let streamSilence: TimeInterval = 40

/// What a request is sent as, read once: a token that is replaced meanwhile is not mixed with this body.
struct Sent: Sendable {
  var method: String
  var path: String
  var body: Data?
  var token: String?
  var idempotencyKey: String?
}

/// The answer to a request that has none.
struct Nothing: Decodable, Sendable {}

struct HTTP: Sendable {
  /// `https://host/api/v1/`
  let root: String
  private let transport: Transport
  private let timeout: TimeInterval
  private let retries: Int

  init(_ config: Configuration) throws {
    root = try apiAddress(config.endpoint)
    transport = Transport(config.configureSession)
    timeout = config.timeout
    retries = config.retries
  }

  func close() { transport.close() }

  /// What a good answer holds.
  func request<Answer: Decodable & Sendable>(
    _ sent: Sent, as type: Answer.Type = Answer.self, retries: Int? = nil
  ) async throws -> Answer {
    let mayRepeat = sent.method != "POST" || sent.idempotencyKey != nil
    var attempt = 0
    while true {
      do {
        return try await send(sent)
      } catch let error as GrandstandError {
        guard mayRepeat, attempt < retries ?? self.retries, error.isTemporary else { throw error }
        let wait = backOff(attempt, after: error)
        if wait > longestWait { throw error }
        attempt += 1
        try await sleep(seconds: wait)
      }
    }
  }

  private func send<Answer: Decodable & Sendable>(_ sent: Sent) async throws -> Answer {
    let request = try build(sent)
    var head: Head?
    var body = Data()
    for try await part in transport.parts(of: request, limit: .whole(timeout)) {
      switch part {
      case .head(let it): head = it
      case .data(let data): body.append(data)
      }
    }
    try Task.checkCancellation()
    guard let head, !head.isRedirect else { throw noAnswer(from: request, because: nil) }
    guard head.isGood else { throw failure(head, body: body, hadToken: sent.token != nil) }
    return try read(body)
  }

  /// A page with 200 is a portal's, as in stadiums and hotels: the server itself was not reached, and may be the next time.
  private func read<Answer: Decodable>(_ body: Data) throws -> Answer {
    if Answer.self == Nothing.self, let nothing = Nothing() as? Answer { return nothing }
    do {
      return try JSONDecoder().decode(Answer.self, from: body.isEmpty ? Data("null".utf8) : body)
    } catch {
      throw GrandstandError.network("The answer of \(root) is not a Grandstand server's.", cause: error)
    }
  }

  /// Hands out the `data` of server-sent events until the server ends the stream.
  func stream(_ path: String, token: String, onData: (Data) async throws -> Void) async throws {
    var request = try build(Sent(method: "GET", path: path, token: token))
    request.setValue("text/event-stream", forHTTPHeaderField: "accept")
    var head: Head?
    var events = EventReader()
    var refusal = Data()
    for try await part in transport.parts(of: request, limit: .silence(streamSilence)) {
      switch part {
      case .head(let it): head = it
      case .data(let data) where head?.isEventStream == true:
        for event in events.read(data) { try await onData(event) }
      case .data(let data): refusal.append(data)
      }
    }
    try Task.checkCancellation()
    guard let head, !head.isRedirect, !head.isGood || head.isEventStream else { throw noAnswer(from: request, because: nil) }
    if !head.isGood { throw failure(head, body: refusal, hadToken: true) }
  }

  private func build(_ sent: Sent) throws -> URLRequest {
    guard let url = URL(string: root + sent.path) else { throw GrandstandError.misuse("'\(sent.path)' is no path.") }
    var request = URLRequest(url: url)
    request.httpMethod = sent.method
    if let body = sent.body {
      request.httpBody = body
      request.setValue("application/json", forHTTPHeaderField: "content-type")
    }
    if let token = sent.token { request.setValue("Bearer \(token)", forHTTPHeaderField: "authorization") }
    if let key = sent.idempotencyKey { request.setValue(key, forHTTPHeaderField: "idempotency-key") }
    return request
  }
}

private func failure(_ head: Head, body: Data, hadToken: Bool) -> GrandstandError {
  let wait = readRetryAfter(head.retryAfter, answeredAt: head.date)
  let error = APIError(status: head.status, body: body, requestId: head.requestId, retryAfter: wait)
  return head.status == 401 && hadToken ? .invalidToken(error) : .api(error)
}

/// The data of server-sent events, out of the pieces in which they arrive.
private struct EventReader {
  private var line = Data()
  private var event = Data()

  mutating func read(_ piece: Data) -> [Data] {
    var events: [Data] = []
    for byte in piece {
      guard byte == UInt8(ascii: "\n") else {
        if byte != UInt8(ascii: "\r") { line.append(byte) }
        continue
      }
      if line.isEmpty, !event.isEmpty {
        events.append(event)
        event = Data()
      } else if line.starts(with: Data("data:".utf8)) {
        event.append(line.dropFirst(5))
      }
      line = Data()
    }
    return events
  }
}

/// Seconds: exponential with full jitter from half a second to a minute, and never sooner than the server asked.
func backOff(_ attempt: Int, after error: GrandstandError? = nil) -> TimeInterval {
  let longest = min(60, 0.5 * Double(1 << min(attempt, 10)))
  return (error?.api?.retryAfter ?? 0) + Double.random(in: 0..<longest)
}

/// Seconds, or an HTTP date, as seconds from the instant that the server answered at: the device's clock may be wrong.
func readRetryAfter(_ text: String?, answeredAt: String?) -> TimeInterval? {
  guard let text = text?.trimmingCharacters(in: .whitespaces), !text.isEmpty else { return nil }
  if let seconds = TimeInterval(text), seconds.isFinite { return max(0, seconds) }
  guard let until = readHTTPDate(text) else { return nil }
  return max(0, until.timeIntervalSince(answeredAt.flatMap(readHTTPDate) ?? Date()))
}

private func readHTTPDate(_ text: String) -> Date? {
  let format = DateFormatter()
  format.locale = Locale(identifier: "en_US_POSIX")
  format.timeZone = TimeZone(secondsFromGMT: 0)
  format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
  return format.date(from: text)
}

/// `https://host/api/v1/` of what the program gave.
private func apiAddress(_ endpoint: String) throws -> String {
  var text = endpoint.trimmingCharacters(in: .whitespacesAndNewlines)
  while text.hasSuffix("/") { text.removeLast() }
  if text.hasSuffix("/api/v1") { text.removeLast("/api/v1".count) }
  let parts = URLComponents(string: text)
  guard let scheme = parts?.scheme?.lowercased(), ["http", "https"].contains(scheme), parts?.host?.isEmpty == false else {
    throw GrandstandError.misuse("The endpoint '\(endpoint)' is no address such as https://fans.example.com.")
  }
  return "\(text)/api/v1/"
}

/// One part of a path. URLs take out what is empty, `.` or `..`, and the call would be another one.
func segment(_ id: String) throws -> String {
  let plain = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
  guard !["", ".", ".."].contains(id), let text = id.addingPercentEncoding(withAllowedCharacters: plain) else {
    throw GrandstandError.misuse("An id in a path is empty, '.' or '..'.")
  }
  return text
}

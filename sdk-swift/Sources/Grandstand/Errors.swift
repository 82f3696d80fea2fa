// Everything that a call of this library can fail with, but for cancellation and what a token storage throws.

import Foundation

/// No answer came, or one that says no.
public enum GrandstandError: Error, Sendable {
  /// An access token is dead: it expired, was revoked, or its profile was erased (401).
  case invalidToken(APIError)

  /// The server answered with an error.
  case api(APIError)

  /// No answer came in time.
  case timeout(String)

  /// No answer came: offline, a name that does not resolve, a connection that broke, or a portal's page instead of an answer.
  case network(String, cause: (any Error)?)

  /// The program's own fault: a call before `start`, a client that was closed, an address that is none.
  case misuse(String)
}

/// What the server said no with.
public struct APIError: Sendable, Hashable {
  /// The HTTP status.
  public let status: Int

  /// What went wrong, for programs: `invalid` for a 400 with messages by field, else the answer's `error_code`.
  public let code: String

  /// What went wrong, in words.
  public let message: String

  /// Of a 400: messages by field as it was sent (`attributes.set[0].key`); else empty.
  public let fields: [String: [String]]

  /// The fields of the answer: beside `detail` and `error_code`, what some errors say for programs, such as counts.
  public let data: [String: JSONValue]

  /// Tells the server's operators which request it was.
  public let requestId: String?

  /// Seconds after which the server wants to be asked again, where it said so.
  public let retryAfter: TimeInterval?
}

extension GrandstandError: LocalizedError, CustomStringConvertible {
  /// What the server said, where it did.
  public var api: APIError? {
    switch self {
    case .invalidToken(let error), .api(let error): return error
    case .timeout, .network, .misuse: return nil
    }
  }

  public var description: String {
    switch self {
    case .invalidToken(let error), .api(let error): return error.message
    case .timeout(let message), .network(let message, _), .misuse(let message): return message
    }
  }

  public var errorDescription: String? { description }

  /// Whether the same request may succeed later.
  var isTemporary: Bool {
    switch self {
    case .timeout, .network: return true
    case .invalidToken, .misuse: return false
    case .api(let error):
      // 409 with Retry-After: the first request of this idempotency key is still running.
      return error.status == 429 || error.status == 408 || error.status >= 500
        || (error.status == 409 && error.retryAfter != nil)
    }
  }
}

extension APIError {
  init(status: Int, body: Data, requestId: String?, retryAfter: TimeInterval?) {
    let data = (try? JSONDecoder().decode([String: JSONValue].self, from: body)) ?? [:]
    let code = data["error_code"]?.string
    let fields = status == 400 && code == nil ? data.mapValues(messages) : [:]
    self.status = status
    self.code = code ?? (status == 400 ? "invalid" : "http_\(status)")
    self.fields = fields
    self.data = data
    self.requestId = requestId
    self.retryAfter = retryAfter
    if fields.isEmpty {
      message = data["detail"]?.string ?? "The server answered \(status)."
    } else {
      message = sentence(of: fields)
    }
  }
}

/// `nickname: This field may not be blank.`
func sentence(of fields: [String: [String]]) -> String {
  fields.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.joined(separator: " "))" }.joined(separator: "; ")
}

/// What was said of one field.
func messages(_ said: JSONValue) -> [String] {
  let list: [JSONValue]
  if case .array(let items) = said { list = items } else { list = [said] }
  return list.map { $0.string ?? (try? JSONEncoder().encode($0)).map { String(decoding: $0, as: UTF8.self) } ?? "" }
}

// Where a fan's credential and what waits to be sent are kept between starts.

import Foundation

/// A place of the application's own: defaults, a database, an encrypted file. Called on background threads only, one call at a
/// time or several. What it throws is taken as "could not": the value is then kept in memory.
public protocol KeyValueStorage: AnyObject, Sendable {
  /// Storages of one identity are one place, and clients on them the same fan's. Nil: this object is a place of its own.
  var identity: String? { get }

  func get(_ key: String) throws -> String?
  func set(_ key: String, to value: String) throws
  func remove(_ key: String) throws
}

extension KeyValueStorage {
  public var identity: String? { nil }
}

/// A place for the access token alone: a keychain, an account of the app's own. It says whose profile there is: where it has no
/// token, a new profile is made. Called on background threads; what it throws fails the call that needed it, so that a keychain
/// that is locked makes no second profile.
public protocol TokenStorage: Sendable {
  func load() throws -> String?

  /// Nil once the fan signed out.
  func store(_ token: String?) throws
}

/// Ends with the process: for tests, and for programs that pass a token each time.
public final class MemoryStorage: KeyValueStorage {
  private let items = Protected<[String: String]>([:])

  public init() {}

  public func get(_ key: String) -> String? { items.with { $0[key] } }
  public func set(_ key: String, to value: String) { items.with { $0[key] = value } }
  public func remove(_ key: String) { items.with { $0[key] = nil } }
}

/// Without what it keeps: tokens, which are passwords.
extension MemoryStorage: CustomReflectable {
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// A file for each key, in a folder that only this user reads and that no backup takes along: a copy on another device would be the
/// same fan. A file is replaced as a whole, so a crash leaves the old one or the new one; several processes (an app and its extensions)
/// may share the folder.
public final class FileStorage: KeyValueStorage {
  private let folder: URL

  /// `Application Support/Grandstand` of the app; on Linux `~/.local/share/Grandstand`.
  public static var standard: FileStorage {
    let places = FileManager.default.urls(for: .applicationSupportDirectory, in: .userDomainMask)
    return FileStorage(folder: (places.first ?? FileManager.default.temporaryDirectory).appendingPathComponent("Grandstand"))
  }

  public init(folder: URL) { self.folder = folder.standardizedFileURL }

  public var identity: String? { "folder \(folder.path)" }

  public func get(_ key: String) throws -> String? {
    let file = file(of: key)
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    return String(decoding: try Data(contentsOf: file), as: UTF8.self)
  }

  public func set(_ key: String, to value: String) throws {
    try makeFolder()
    let next = folder.appendingPathComponent("next-\(randomId()).tmp")
    do {
      try Data().write(to: next)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: next.path)
      let handle = try FileHandle(forWritingTo: next)
      defer { try? handle.close() }
      try handle.write(contentsOf: Data(value.utf8))
      try handle.synchronize()
      guard rename(next.path, file(of: key).path) == 0 else { throw CocoaError(.fileWriteUnknown) }
    } catch {
      try? FileManager.default.removeItem(at: next)
      throw error
    }
  }

  public func remove(_ key: String) throws {
    let file = file(of: key)
    if FileManager.default.fileExists(atPath: file.path) { try FileManager.default.removeItem(at: file) }
  }

  /// Held by one process at a time, until what is returned is called.
  func lock() throws -> @Sendable () -> Void {
    try makeFolder()
    let descriptor = open(folder.appendingPathComponent("lock").path, O_RDWR | O_CREAT, 0o600)
    guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
    while flock(descriptor, LOCK_EX) != 0 {
      guard errno == EINTR else {
        close(descriptor)
        throw CocoaError(.fileLocking)
      }
    }
    return { close(descriptor) }
  }

  private func makeFolder() throws {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue { return }
    let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o700]
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: attributes)
    #if canImport(Darwin)
      var values = URLResourceValues()
      values.isExcludedFromBackup = true
      var excluded = folder
      try? excluded.setResourceValues(values)
    #endif
  }

  /// What no file system takes in a name is written as its code; of a name that is too long the beginning stays, and what tells it apart.
  private func file(of key: String) -> URL {
    let name = key.utf8.map { byte -> String in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
        return String(UnicodeScalar(byte))
      default:
        return "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }.joined()
    return folder.appendingPathComponent(name.utf8.count > 200 ? "\(name.prefix(100))-\(fingerprint(key))" : name)
  }
}

#if canImport(Security)
  import Foundation
  import Security

  /// The token in the keychain of Apple's systems, on this device alone. It is there again where the app is installed anew. While the device
  /// was not unlocked since it started, calls fail, instead of making a second profile. On macOS the program has to be signed as an app is.
  public struct KeychainTokenStorage: TokenStorage {
    public struct Failure: LocalizedError {
      public let status: OSStatus
      public var errorDescription: String? { "The keychain refused with \(status)." }
    }

    private let service: String
    private let accessGroup: String?

    /// - Parameters:
    ///   - service: another for each application whose fans this app has
    ///   - accessGroup: of apps and extensions that share the fan
    public init(service: String = "dev.grandstand", accessGroup: String? = nil) {
      self.service = service
      self.accessGroup = accessGroup
    }

    public func load() throws -> String? {
      var found: CFTypeRef?
      let wanted: [CFString: Any] = [kSecReturnData: true, kSecMatchLimit: kSecMatchLimitOne]
      let status = SecItemCopyMatching(item(and: wanted), &found)
      if status == errSecItemNotFound { return nil }
      guard status == errSecSuccess, let data = found as? Data else { throw Failure(status: status) }
      return String(decoding: data, as: UTF8.self)
    }

    public func store(_ token: String?) throws {
      guard let token else {
        let status = SecItemDelete(item())
        guard status == errSecSuccess || status == errSecItemNotFound else { throw Failure(status: status) }
        return
      }
      let value: [CFString: Any] = [
        kSecValueData: Data(token.utf8), kSecAttrAccessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
      ]
      var status = SecItemUpdate(item(), value as CFDictionary)
      if status == errSecItemNotFound { status = SecItemAdd(item(and: value), nil) }
      guard status == errSecSuccess else { throw Failure(status: status) }
    }

    private func item(and more: [CFString: Any] = [:]) -> CFDictionary {
      var item: [CFString: Any] = [kSecClass: kSecClassGenericPassword, kSecAttrService: service, kSecAttrAccount: "access token"]
      item[kSecUseDataProtectionKeychain] = true
      if let accessGroup { item[kSecAttrAccessGroup] = accessGroup }
      return item.merging(more) { $1 } as CFDictionary
    }
  }
#endif

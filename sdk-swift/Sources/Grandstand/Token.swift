// Random ids, and what a token is known by.

import Foundation

/// 32 random hexadecimal digits: 128 bits, of the system's generator for secrets.
func randomId() -> String {
  var generator = SystemRandomNumberGenerator()
  return hex(Array((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }))
}

/// By what a token is known again where it must not stand itself.
func fingerprint(_ token: String) -> String { hex(sha256(Array(token.utf8))) }

private func hex(_ bytes: [UInt8]) -> String {
  bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
}

/// SHA-256 as FIPS 180-4 has it: Foundation has none, and CryptoKit is not on Linux.
func sha256(_ message: [UInt8]) -> [UInt8] {
  let length = UInt64(message.count) * 8
  let padding = [UInt8](repeating: 0, count: (119 - message.count % 64) % 64)
  let padded = message + [0x80] + padding + (0..<8).map { UInt8(truncatingIfNeeded: length >> (56 - 8 * $0)) }
  var state = initialState
  var words = [UInt32](repeating: 0, count: 64)
  for start in stride(from: 0, to: padded.count, by: 64) {
    for i in 0..<16 {
      words[i] = padded[(start + 4 * i)..<(start + 4 * i + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }
    for i in 16..<64 {
      let a = words[i - 15]
      let b = words[i - 2]
      let fromA = rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3)
      let fromB = rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10)
      words[i] = words[i - 16] &+ fromA &+ words[i - 7] &+ fromB
    }
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for i in 0..<64 {
      let choice = (e & f) ^ (~e & g)
      let fromE = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
      let first = h &+ fromE &+ choice &+ constants[i] &+ words[i]
      let majority = (a & b) ^ (a & c) ^ (b & c)
      let fromA = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
      (h, g, f, e) = (g, f, e, d &+ first)
      (d, c, b, a) = (c, b, a, first &+ fromA &+ majority)
    }
    for (i, word) in [a, b, c, d, e, f, g, h].enumerated() { state[i] &+= word }
  }
  return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
}

private func rotate(_ word: UInt32, _ by: UInt32) -> UInt32 { word >> by | word << (32 - by) }

private let primes: [Int] = Array((2...311).filter { n in !(2..<n).contains { n % $0 == 0 } }.prefix(64))

/// The first 32 bits of the fractions of square and cube roots of the first primes.
private let initialState: [UInt32] = primes.prefix(8).map { fraction(Double($0).squareRoot()) }
private let constants: [UInt32] = primes.map { fraction(cbrt(Double($0))) }

private func fraction(_ number: Double) -> UInt32 { UInt32((number - number.rounded(.down)) * 4_294_967_296) }

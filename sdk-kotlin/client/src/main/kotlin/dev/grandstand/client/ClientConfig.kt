package dev.grandstand.client

import okhttp3.OkHttpClient
import java.time.Clock

/** What becomes of a token that is dead. */
public enum class OnInvalidToken {
    /** The call fails with an [InvalidTokenException]. */
    FAIL,

    /** A new profile is made: where nobody signs in. */
    CREATE,
}

/** What becomes of the tokens of the anonymous profile that was merged into an account's. */
public enum class FormerTokens {
    /** They die. */
    REVOKE,

    /** They speak for the account. */
    FOLLOW,
}

/**
 * Which fan of which application on which server.
 *
 * @property clientId the application
 * @property endpoint the server's address, with or without `/api/v1/`
 * @property storage where the fan's credential is kept between starts
 */
public class ClientConfig(
    public val clientId: String,
    public val endpoint: String,
    public val storage: KeyValueStorage,
) {
    init {
        require(Regex("[A-Za-z0-9_-]+").matches(clientId)) { "The client id '$clientId' is none: letters, digits, _ and - are allowed." }
    }

    /** The fan's access token, from your back end or from where you saved it. It wins over whatever is stored. */
    public var accessToken: String? = null

    /** Keeps the token itself, for apps that have a place for secrets. Default: it stands in [storage]. */
    public var tokenStorage: TokenStorage? = null

    /** Of a profile that has to be made; null: the server makes one up. */
    public var nickname: String? = null

    public var onInvalidToken: OnInvalidToken = OnInvalidToken.FAIL

    /** How many activities wait at most; beyond it the oldest are dropped. */
    public var maxQueue: Int = 1000

    /** How long a tracked activity waits for others. */
    public var flushIntervalMillis: Long = 1000

    /** Told of activities that will never reach the server, on a background thread. */
    public var onDrop: (Drop) -> Unit = {}

    /** Told when the stream of own groups breaks, on a background thread. It is tried again. */
    public var onStreamError: (Throwable) -> Unit = {}

    /** Between two questions for the own groups where streams do not get through. */
    public var pollIntervalMillis: Long = 10_000

    /** Until a [RequestTimeoutException]. */
    public var timeoutMillis: Long = 30_000

    /** How often a request that may be repeated is sent again. */
    public var retries: Int = 2

    /** With your interceptors, pins or proxy. Its redirects and timeouts are set by this library. */
    public var httpClient: OkHttpClient? = null

    /** What activities are stamped by. Where it is wrong by the server's, the server's counts. */
    public var clock: Clock = Clock.systemUTC()
}

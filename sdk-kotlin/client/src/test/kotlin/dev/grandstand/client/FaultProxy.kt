// A network that fails on command, between a client and the real server.

package dev.grandstand.client

import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import java.net.URI
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread

class FaultProxy(
    target: String,
) : AutoCloseable {
    enum class Fault {
        NONE,

        /** The connection breaks before the server hears anything. */
        LOSE_REQUEST,

        /** The server does what it was asked; its answer is lost. */
        LOSE_ANSWER,

        /** Nothing comes, and the connection stays. */
        STALL,

        /** Every answer is the address of a page, as behind a portal in a hotel. */
        PORTAL,
    }

    private val to = URI(target)
    private val listener = ServerSocket(0, 50, InetAddress.getLoopbackAddress())
    private val open = CopyOnWriteArrayList<Socket>()
    val url: String = "http://127.0.0.1:${listener.localPort}"
    val requests = AtomicInteger()

    @Volatile var fault: Fault = Fault.NONE
        set(value) {
            field = value
            open.forEach { it.close() }
        }

    init {
        thread(isDaemon = true) {
            while (!listener.isClosed) runCatching { serve(listener.accept()) }
        }
    }

    private fun serve(client: Socket) {
        open += client
        val mine = fault
        if (mine == Fault.LOSE_REQUEST || mine == Fault.STALL) requests.incrementAndGet()
        if (mine == Fault.LOSE_REQUEST) return client.close()
        if (mine == Fault.STALL) return
        if (mine == Fault.PORTAL) return answer(client)
        val server = Socket(to.host, to.port).also { open += it }
        pump(client, server, isRequest = true, fault = mine)
        pump(server, client, isRequest = false, fault = mine)
    }

    private fun answer(client: Socket) {
        client.getInputStream().read(ByteArray(64 * 1024))
        val head = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/terms\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        client.getOutputStream().write(head.toByteArray())
        client.close()
    }

    private fun pump(
        from: Socket,
        into: Socket,
        isRequest: Boolean,
        fault: Fault,
    ) = thread(isDaemon = true) {
        val buffer = ByteArray(64 * 1024)
        runCatching {
            while (true) {
                val size = from.getInputStream().read(buffer)
                if (size < 0) break
                if (isRequest) requests.incrementAndGet()
                if (!isRequest && fault == Fault.LOSE_ANSWER) break
                into.getOutputStream().write(buffer, 0, size)
            }
        }
        from.close()
        into.close()
    }

    override fun close() {
        listener.close()
        open.forEach { it.close() }
    }
}
